# Several libvirt hosts on this machine with a network of their own, and a worker for each: read by scripts that need them,
# with `work` (their folder), `goldsmith` (the program) and `here` (the folder of the scripts) set. As root.
#
# Each host (scripts/libvirt-host) has a cable to this machine, 10.77.N.2 at its end. Its worker runs outside, with its own
# host by a socket and all others by TCP, so what it pulls from another comes by that one's cable.

declare -A host_process host_first worker_process
broker_process=""
data=$work/data

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() { say "$*"; exit 1; }
gs() { "$goldsmith" "$@" --data "$data"; }
uri_of() { echo "qemu+unix:///system?socket=$work/$1/run/libvirt-sock"; }
on() { local host=$1; shift; virsh -q -c "$(uri_of "$host")" "$@"; }
# wait_for SECONDS WHAT COMMAND…
wait_for() {
    local seconds=$1 what=$2
    shift 2
    for _ in $(seq $((seconds * 5))); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.2
    done
    fail "$what"
}

# start_host hN: its namespaces and daemons, and its cable.
start_host() {
    local name=$1 number=${1#h}
    rm -f "$work/$name/uri"
    "$here/libvirt-host" "$work/$name" "$name" <"$work/open" >>"$work/$name.log" 2>&1 9>&- &
    host_process[$name]=$!
    wait_for 120 "the libvirt host $name did not start" test -f "$work/$name/uri"
    host_first[$name]=$(tr -d ' ' <"/proc/${host_process[$name]}/task/${host_process[$name]}/children")
    ip link add "gslv$number" type veth peer name eth0 netns "${host_first[$name]}"
    ip addr add "10.77.$number.1/30" dev "gslv$number"
    ip link set "gslv$number" up
    inside "$name" ip addr add "10.77.$number.2/30" dev eth0
    inside "$name" ip link set eth0 up
    [ -z "${link_rate:-}" ] || inside "$name" tc qdisc add dev eth0 root tbf rate "$link_rate" burst 512kb latency 50ms
}
inside() { local name=$1; shift; nsenter -t "${host_first[$name]}" -n -- "$@"; }
# As if its power had gone. Its cable goes with its network.
kill_host() {
    kill -KILL "${host_process[$1]}" 2>/dev/null || true
    wait "${host_process[$1]}" 2>/dev/null || true
    for _ in $(seq 100); do
        [ -e "/sys/class/net/gslv${1#h}" ] || break
        sleep 0.1
    done
}

# start_site COUNT: hosts h1 … and a broker. What workers are to have is in GOLDSMITH_… variables before.
start_site() {
    [ "$(id -u)" -eq 0 ] || fail "root is needed: the hosts get namespaces of their own"
    mkfifo "$work/open"
    # The hosts end when this does.
    exec 9<>"$work/open"
    hosts=$(seq -f 'h%g' "$1")
    for name in $hosts; do start_host "$name"; done
    env -u GOLDSMITH_LOCATIONS "$goldsmith" dev --data "$work/broker" --driver local --workers 1 \
        >"$work/broker.log" 2>&1 9>&- &
    broker_process=$!
    wait_for 90 "the broker did not start" test -f "$work/broker/dev.json"
    export GOLDSMITH_STORE_URL=sqlite://$data/store.sqlite GOLDSMITH_AMQP_URL GOLDSMITH_PREFIX=site GOLDSMITH_UPSTREAMS='*' GOLDSMITH_DRIVER=libvirt
    GOLDSMITH_AMQP_URL=$(jq -r .amqpUrl "$work/broker/dev.json")
    export GOLDSMITH_GUEST_INSPECTION=off GOLDSMITH_BOOT_PROOF=off GOLDSMITH_LIBVIRT_DISKS=$work/launched
    mkdir -p "$data" "$work/logs"
    settings_of h1
    gs topology apply >"$work/topology.log" 2>&1 || fail "the queues were not made: $(cat "$work/topology.log")"
}
# settings_of hN: the setting libvirtHosts as its worker needs it.
settings_of() {
    local list=""
    for name in $hosts; do
        if [ "$name" = "$1" ]; then list+=",$name=$(uri_of "$name")"; else list+=",$name=qemu+tcp://10.77.${name#h}.2/system"; fi
    done
    export GOLDSMITH_LIBVIRT_HOSTS=${list#,}
}
start_worker() {
    settings_of "$1"
    "$goldsmith" worker --host "$1" --data "$data" >>"$work/logs/worker-$1.log" 2>&1 9>&- &
    worker_process[$1]=$!
}
stop_site() {
    for process in "${worker_process[@]}"; do kill -CONT "$process" 2>/dev/null || true; kill -TERM "$process" 2>/dev/null || true; done
    for process in "${worker_process[@]}"; do wait "$process" 2>/dev/null || true; done
    if [ -n "$broker_process" ]; then
        kill -TERM "$broker_process" 2>/dev/null || true
        wait "$broker_process" 2>/dev/null || true
    fi
    exec 9>&-
    for name in "${!host_process[@]}"; do kill_host "$name"; done
}
# define hN NAME FILE: a domain with one qcow2 disk, or more after it.
define() {
    local host=$1 name=$2 disks="" target=a
    shift 2
    for file in "$@"; do
        disks+="<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$file'/>
            <target dev='vd$target' bus='virtio'/></disk>"
        target=$(tr a-y b-z <<<"$target")
    done
    cat >"$work/domain.xml" <<XML
<domain type='qemu'><name>$name</name>
<metadata><g:instance xmlns:g='urn:goldsmith:instance' owner='local'/></metadata>
<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices>$disks<serial type='pty'/></devices></domain>
XML
    on "$host" define "$work/domain.xml" >/dev/null
}

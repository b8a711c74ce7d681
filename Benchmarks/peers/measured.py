"""What the measurements of all peers share: the tally of finished steps, the workers' processes, the line of JSON.

Each peer is one program, `with_<peer>.py ITEMS`, which is also the module that its workers load. It is given

  PEER_URL        of the broker, or of the PostgreSQL server
  PEER_TALLY      a file that does not exist yet, on a file system in memory
  PEER_PROCESSES  how many worker processes; default 2, as there are cores
  PEER_THREADS    how many jobs at a time in each; default: the program's own

and prints one line of JSON. When its standard input ends, it ends its workers and itself.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

STEPS = 4
URL = os.environ["PEER_URL"]
PROCESSES = int(os.environ.get("PEER_PROCESSES", "2"))
TALLY = os.environ["PEER_TALLY"]
HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = struct.Struct("<II")
LONGEST = 300.0  # seconds for one run

tally = os.open(TALLY, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)


def jobs_at_a_time(default):
    return int(os.environ.get("PEER_THREADS", default))


def finish(item, step):
    """What a step does: it leaves its number. One write is appended as a whole, whoever else writes."""
    os.write(tally, RECORD.pack(item, step))


def in_threads(count, items, publish):
    """Publishes each item; several at a time, because each waits for its confirm."""
    with ThreadPoolExecutor(count) as pool:
        for _ in pool.map(publish, items):
            pass


class Tally:
    """Reads what the workers' steps left, and sees that each ran, in order."""

    def __init__(self):
        self.runs = {}
        self.read = 0

    def advance(self):
        text = os.pread(tally, 1 << 24, self.read)
        text = text[: len(text) - len(text) % RECORD.size]
        self.read += len(text)
        for item, step in RECORD.iter_unpack(text):
            runs = self.runs.setdefault(item, [])
            # But for one that ran again.
            if step > len(set(runs)):
                raise SystemExit(f"step {step} of item {item} ran before the one before it")
            runs.append(step)

    def wait(self, items, check):
        deadline = time.monotonic() + LONGEST
        expected = self.read + RECORD.size * STEPS * len(items)
        while True:
            if os.fstat(tally).st_size >= expected:
                self.advance()
                if all(len(set(self.runs.get(item, ()))) == STEPS for item in items):
                    return
            check()
            if time.monotonic() > deadline:
                raise SystemExit(f"{sum(map(len, self.runs.values()))} steps have run, and no more come")
            time.sleep(0.002)

    def repeated(self, items):
        return sum(len(self.runs[item]) - STEPS for item in items)


class Workers:
    """The peer's worker processes, each with its children in a process group of its own."""

    def __init__(self, commands):
        self.log = open(TALLY + ".log", "ab")
        path = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")]))
        self.started = [
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                env={**os.environ, "PYTHONPATH": path, "PEER_WORKER": str(number)},
                cwd=HERE,
                start_new_session=True,
            )
            for number, command in enumerate(commands)
        ]
        # Kills what is left of them when we end, however we end.
        self.guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r groups; read -r end; for group in $groups; do kill -9 "-$group"; done'],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.guard.stdin.write(" ".join(str(worker.pid) for worker in self.started).encode() + b"\n")
        self.guard.stdin.flush()

    def check(self):
        for worker in self.started:
            if worker.poll() is not None:
                raise SystemExit(f"a worker ended with {worker.returncode}:\n{self.tail()}")

    def tail(self):
        with open(self.log.name, errors="replace") as log:
            return log.read()[-2000:]

    def signal(self, number):
        for worker in self.started:
            os.killpg(worker.pid, number)

    def seconds(self):
        """Processor time that they and their children have used so far."""
        parents, used = {}, {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = int(fields[1])
            used[int(entry)] = int(fields[11]) + int(fields[12])
        ours = {worker.pid for worker in self.started}
        while True:
            more = {pid for pid, parent in parents.items() if parent in ours} - ours
            if not more:
                return sum(used.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")
            ours |= more

    def stop(self):
        for worker in self.started:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        deadline = time.monotonic() + 10
        for worker in self.started:
            try:
                worker.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        self.guard.communicate()
        for worker in self.started:
            worker.wait()


def end_with_input():
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def measure(version, setup, commands, publish, unfinished):
    """Runs ITEMS through the peer and prints the result.

    commands     one a worker process, or one for a program that starts its own
    publish      takes a range of items; returns when all are durable
    unfinished   how many jobs the peer still holds; must become 0
    """
    items = int(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    threading.Thread(target=end_with_input, daemon=True).start()
    workers = Workers(commands)
    try:
        seen = Tally()
        warm_up = range(items // 20 + 1)
        publish(warm_up)
        seen.wait(warm_up, workers.check)

        # What publishing costs is not measured: the workers stand still meanwhile, connected and warm.
        measured = range(len(warm_up), len(warm_up) + items)
        workers.signal(signal.SIGSTOP)
        publish(measured)
        used, began = workers.seconds(), time.monotonic()
        workers.signal(signal.SIGCONT)
        seen.wait(measured, workers.check)
        seconds, used = time.monotonic() - began, workers.seconds() - used

        # The last steps have run; what is left is to write that down.
        deadline = time.monotonic() + 30
        while left := unfinished():
            workers.check()
            if time.monotonic() > deadline:
                raise SystemExit(f"{left} jobs are left over")
            time.sleep(0.05)
    finally:
        workers.stop()
    # What they had taken and not acknowledged is back.
    if left := unfinished():
        raise SystemExit(f"{left} jobs were not acknowledged")
    result = {
        "version": version,
        "setup": setup,
        "items": items,
        "steps": items * STEPS,
        "repeatedSteps": seen.repeated(measured),
        "seconds": round(seconds, 3),
        "itemsPerSecond": round(items / seconds, 1),
        "processorSeconds": round(used, 3),
    }
    print(json.dumps(result, sort_keys=True))

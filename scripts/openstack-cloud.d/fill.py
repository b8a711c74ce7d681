"""What an operator sets up once in a new cloud, by its own interfaces. What is there already is left as it is.

fill.py identity <folder>                  users, roles, the catalog, and credentials of two projects
fill.py services <folder>                  volume types, flavors, an image; waits until the services know each other
fill.py quota <folder> <name> <number>     a quota of Cinder for the project
fill.py fail <folder> <snapshot>           gives a snapshot the status error
"""

import json
import os
import sys
import time

import requests

KEYSTONE = "http://127.0.0.1:5000/v3"
PASSWORD = "secret"
SERVICES = {
    "image": ("glance", "http://127.0.0.1:9292"),
    "volumev3": ("cinder", "http://127.0.0.1:8776/v3/%(project_id)s"),
    "block-storage": ("cinder", "http://127.0.0.1:8776/v3/%(project_id)s"),
    "compute": ("nova", "http://127.0.0.1:8774/v2.1"),
    "placement": ("placement", "http://127.0.0.1:8778"),
    "network": ("neutron", "http://127.0.0.1:9696"),
}

session = requests.Session()
session.trust_env = False


def ask(method, url, **arguments):
    answer = session.request(method, url, timeout=60, **arguments)
    if answer.status_code >= 400:
        sys.exit("%s %s: %s %s" % (method, url, answer.status_code, answer.text))
    return answer


def get(url):
    return ask("GET", url).json()


def log_in(user, project):
    """Returns the ids of the user and the project."""
    default = {"name": "Default"}
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": default, "password": PASSWORD}},
            },
            "scope": {"project": {"name": project, "domain": default}},
        }
    }
    session.headers.pop("X-Auth-Token", None)
    answer = ask("POST", KEYSTONE + "/auth/tokens", json=body)
    session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    token = answer.json()["token"]
    return token["user"]["id"], token["project"]["id"]


def ensure(kind, wanted, also=None):
    """One of Keystone's things that has all of `wanted`; made with `also` where there is none."""
    url = "%s/%ss" % (KEYSTONE, kind)
    for found in get(url)[kind + "s"]:
        if all(found.get(key) == value for key, value in wanted.items()):
            return found
    return ask("POST", url, json={kind: {**wanted, **(also or {})}}).json()[kind]


def write(path, text):
    with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(text)


def identity(folder):
    log_in("admin", "admin")
    roles = {name: ensure("role", {"name": name}) for name in ("admin", "member", "service")}
    names = ("service", "goldsmith", "spare")
    projects = {name: ensure("project", {"name": name}, {"domain_id": "default"}) for name in names}

    def user(name, project, *given):
        made = ensure("user", {"name": name}, {"password": PASSWORD, "domain_id": "default"})
        for role in given:
            path = "%s/projects/%s/users/%s/roles/%s"
            ask("PUT", path % (KEYSTONE, projects[project]["id"], made["id"], roles[role]["id"]))

    for name in ("nova", "glance", "cinder", "placement", "neutron"):
        user(name, "service", "admin", "service")
    for name in ("goldsmith", "spare"):
        user(name, name, "member")
    for kind, (name, url) in SERVICES.items():
        service = ensure("service", {"type": kind}, {"name": name})
        for interface in ("public", "internal", "admin"):
            ensure(
                "endpoint",
                {"service_id": service["id"], "interface": interface, "region_id": "RegionOne"},
                {"url": url},
            )
    for name, file in (("goldsmith", "clouds.yaml"), ("spare", "spare.yaml")):
        if not os.path.exists(folder + "/" + file):
            # JSON is YAML. Each file has the cloud `goldsmith`, so that only the file tells them apart.
            write(folder + "/" + file, json.dumps({"clouds": {"goldsmith": member(name)}}, indent=2) + "\n")
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    auth = {"auth_url": KEYSTONE, "username": "admin", "password": PASSWORD, "project_name": "admin", **domains}
    admin = {"region_name": "RegionOne", "auth": auth}
    write(folder + "/admin.yaml", json.dumps({"clouds": {"admin": admin}}, indent=2) + "\n")


def member(name):
    """An application credential of the user and project of this name."""
    # Only the user itself can make one, and its secret is shown only once.
    person, _ = log_in(name, name)
    url = "%s/users/%s/application_credentials" % (KEYSTONE, person)
    body = {"application_credential": {"name": "goldsmith", "roles": [{"name": "member"}]}}
    credential = ask("POST", url, json=body).json()["application_credential"]
    auth = {
        "auth_url": KEYSTONE,
        "application_credential_id": credential["id"],
        "application_credential_secret": credential["secret"],
    }
    return {"auth_type": "v3applicationcredential", "region_name": "RegionOne", "auth": auth}


def services(_):
    _, project = log_in("admin", "admin")
    cinder, nova = "http://127.0.0.1:8776/v3/" + project, "http://127.0.0.1:8774/v2.1"
    glance = "http://127.0.0.1:9292/v2"
    known = {one["name"] for one in get(cinder + "/types")["volume_types"]}
    for name in ("file1", "file2"):
        if name not in known:
            wanted = {"name": name, "extra_specs": {"volume_backend_name": name}}
            ask("POST", cinder + "/types", json={"volume_type": wanted})
    known = {one["name"] for one in get(nova + "/flavors")["flavors"]}
    for name, disk in (("tiny", 1), ("tiny0", 0)):
        if name not in known:
            ask("POST", nova + "/flavors", json={"flavor": {"name": name, "ram": 64, "vcpus": 1, "disk": disk}})
    if not [one for one in get(glance + "/images?visibility=public")["images"] if one["status"] == "active"]:
        wanted = {"name": "noise", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        # What boots it does not listen: a stop need not wait for it.
        wanted.update({"min_disk": 1, "os_shutdown_timeout": "1"})
        image = ask("POST", glance + "/images", json=wanted).json()["id"]
        headers = {"Content-Type": "application/octet-stream"}
        ask("PUT", "%s/images/%s/file" % (glance, image), data=os.urandom(32 << 20), headers=headers)
    for _ in range(300):
        running = {one["binary"] for one in get(nova + "/os-services")["services"] if one["state"] == "up"}
        backends = [one for one in get(cinder + "/os-services")["services"] if one["state"] == "up"]
        hosts = get(nova + "/os-hypervisors")["hypervisors"]
        # A scheduler that has just started knows no backend yet, and refuses every volume.
        pools = get(cinder + "/scheduler-stats/get_pools")["pools"]
        known = {"nova-compute", "nova-conductor", "nova-scheduler"} <= running and len(pools) >= 2
        if known and len(backends) >= 3 and hosts:
            return
        time.sleep(0.5)
    sys.exit("not up: %s, %s, %s, %s" % (running, backends, pools, hosts))


def quota(_, name, number):
    _, admin = log_in("admin", "admin")
    project = get(KEYSTONE + "/projects?name=goldsmith")["projects"][0]["id"]
    url = "http://127.0.0.1:8776/v3/%s/os-quota-sets/%s" % (admin, project)
    ask("PUT", url, json={"quota_set": {name: int(number)}})


def fail(_, snapshot):
    _, admin = log_in("admin", "admin")
    url = "http://127.0.0.1:8776/v3/%s/snapshots/%s/action" % (admin, snapshot)
    ask("POST", url, json={"os-reset_status": {"status": "error"}})


{"identity": identity, "services": services, "quota": quota, "fail": fail}[sys.argv[1]](*sys.argv[2:])

"""What Goldsmith needs of the files that deploy it, and what no schema says."""

import copy
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
# The oldest that is looked at, and the newest that kubernetes-validate knows.
VERSIONS = ["1.30", kubernetes_validate.latest_version()]
# As docs/configuration.md has it, in seconds; stopping takes a little longer.
DRAIN = int(re.search(r"^\| `drain` \|.*?\| seconds \| `(\d+)`", (ROOT / "docs/configuration.md").read_text(), re.M).group(1))
AFTER_DRAIN = 20
COPYING = ["system-disk", "data-disk", "convert", "replicate", "boot-proof", "launch"]
STEPS = ["stop-check", "system-disk", "data-disk", "convert", "replicate", "boot-proof", "launch", "clean-up"]


def manifests():
    for path in sorted(KUBERNETES.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from ((path.name, one) for one in yaml.safe_load_all(path.read_text()) if one)


def of_kind(kind):
    return {one["metadata"]["name"]: one for _, one in manifests() if one["kind"] == kind}


def pods():
    for kind in ("Deployment", "Job"):
        for name, one in of_kind(kind).items():
            yield f"{kind} {name}", one["spec"]["template"]["spec"]


def lanes():
    """What the program calls its lanes: the steps, and four more."""
    source = (ROOT / "docs/configuration.md").read_text()
    text = source.split("The lanes a worker serves:")[1].split("separated by commas")[0]
    return set(re.findall(r"`([a-z-]+)`", text))


def restricted(pod):
    """What the Pod Security Standard `restricted` finds wrong with a pod."""
    security = pod.get("securityContext", {})
    wrong = []
    if security.get("runAsNonRoot") is not True:
        wrong.append("may be root")
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        wrong.append("no seccomp profile")
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        wrong.append("shares the host's namespaces")
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= allowed:
            wrong.append(f"volume {volume['name']}")
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            wrong.append(f"{container['name']} may gain privileges")
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            wrong.append(f"{container['name']} has capabilities")
        if own.get("readOnlyRootFilesystem") is not True:
            wrong.append(f"{container['name']} may write its own files")
    return wrong


class Kubernetes(unittest.TestCase):
    def test_every_manifest_is_valid_by_kubernetes_own_schemas(self):
        seen = 0
        for name, one in manifests():
            if one["apiVersion"].startswith("keda.sh/"):
                continue
            for version in VERSIONS:
                with self.subTest(file=name, name=one["metadata"]["name"], version=version):
                    kubernetes_validate.validate(one, version, strict=True)
                    seen += 1
        self.assertGreater(seen, 20)

    def test_the_schemas_refuse_a_key_that_is_misspelt(self):
        worker = copy.deepcopy(of_kind("Deployment")["goldsmith-replicate"])
        worker["spec"]["template"]["spec"]["terminationGracePeriod"] = 60
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(worker, VERSIONS[0], strict=True)

    def test_kustomize_names_every_file_and_no_other(self):
        named = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
        self.assertEqual(sorted(named), sorted({name for name, _ in manifests()}))

    def test_every_pod_may_run_in_a_restricted_namespace(self):
        labels = of_kind("Namespace")["goldsmith"]["metadata"]["labels"]
        self.assertEqual(labels["pod-security.kubernetes.io/enforce"], "restricted")
        for name, pod in pods():
            with self.subTest(name):
                self.assertEqual(restricted(pod), [])
                self.assertIs(pod["automountServiceAccountToken"], False)
                for container in pod["containers"]:
                    self.assertIn("memory", container["resources"]["limits"])

    def test_a_pod_that_may_be_root_is_found(self):
        _, pod = next(pods())
        pod = copy.deepcopy(pod)
        pod["securityContext"]["runAsNonRoot"] = False
        pod["containers"][0]["securityContext"]["capabilities"]["add"] = ["SYS_ADMIN"]
        self.assertEqual(len(restricted(pod)), 2)

    def test_workers_may_drain_are_probed_and_serve_every_lane_once(self):
        served = []
        for name, one in of_kind("Deployment").items():
            pod = one["spec"]["template"]["spec"]
            container = pod["containers"][0]
            with self.subTest(name):
                self.assertIn("readinessProbe", container)
                self.assertIn("livenessProbe", container)
                self.assertEqual(one["spec"]["selector"]["matchLabels"], one["spec"]["template"]["metadata"]["labels"])
                if container["args"][0] == "worker":
                    own = {one["name"]: one["value"] for one in container["env"]}
                    drain = int(own.get("GOLDSMITH_DRAIN", DRAIN))
                    self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], drain + AFTER_DRAIN)
                    lanes_here = container["args"][2].split(",")
                    if set(lanes_here) & set(COPYING):
                        self.assertLessEqual(set(lanes_here), set(COPYING), "short jobs scale otherwise")
                        self.assertGreaterEqual(drain, 3600)
                        annotations = one["spec"]["template"]["metadata"]["annotations"]
                        self.assertEqual(annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"], "false")
                    served += lanes_here
        self.assertEqual(sorted(served), sorted(lanes()))

    def test_secrets_are_named_and_written_nowhere(self):
        self.assertEqual(of_kind("Secret"), {})
        wanted = {"goldsmith-worker", "goldsmith-owner", "goldsmith-console"}
        named = set()
        for name, pod in pods():
            for volume in pod["volumes"]:
                named |= {volume["secret"]["secretName"]} if "secret" in volume else set()
            for container in pod["containers"]:
                for variable in container.get("env", []):
                    with self.subTest(name, variable=variable["name"]):
                        self.assertNotRegex(variable["name"], r"(PASSWORD|URL)$")
        self.assertEqual(named, wanted)
        # The tables' owner is for the migration alone.
        owners = [n for n, p in pods() if any(v.get("secret", {}).get("secretName") == "goldsmith-owner" for v in p["volumes"])]
        self.assertEqual(owners, ["Job goldsmith-migrate"])

    def test_every_worker_has_a_disruption_budget(self):
        selected = [one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget").values()]
        for name, one in of_kind("Deployment").items():
            if "component: worker" in yaml.safe_dump(one["metadata"]["labels"]):
                self.assertIn(one["metadata"]["labels"], selected, name)

    def test_keda_watches_the_queue_of_every_step(self):
        deployments, watched = of_kind("Deployment"), set()
        logins = of_kind("TriggerAuthentication")
        for name, one in of_kind("ScaledObject").items():
            spec = one["spec"]
            with self.subTest(name):
                target = deployments[spec["scaleTargetRef"]["name"]]
                self.assertNotIn("replicas", target["spec"])
                self.assertGreaterEqual(spec["minReplicaCount"], 1)
                self.assertGreater(spec["maxReplicaCount"], spec["minReplicaCount"])
                steps = target["spec"]["template"]["spec"]["containers"][0]["args"][2].split(",")
                for trigger in spec["triggers"]:
                    data = trigger["metadata"]
                    # KEDA takes texts only.
                    self.assertTrue(all(isinstance(value, str) for value in data.values()))
                    if trigger["type"] == "rabbitmq":
                        self.assertEqual((data["protocol"], data["mode"]), ("amqp", "QueueLength"))
                        self.assertGreater(int(data["value"]), 0)
                        self.assertIn(trigger["authenticationRef"]["name"], logins)
                        lane = data["queueName"].removeprefix("goldsmith.").removeprefix("job.")
                        lane = {"dead": "dead-letters"}.get(lane, lane)
                        self.assertNotIn(lane, COPYING, "what runs is in no queue")
                        self.assertIn(lane, steps, "a queue that these workers do not serve")
                        watched.add(lane)
                    else:
                        self.assertEqual(trigger["type"], "prometheus")
                        self.assertEqual(data["ignoreNullValues"], "false")
                        for label in ("lane", "step"):
                            named = re.search(label + r'=~?"([a-z|-]+)"', data["query"]).group(1).split("|")
                            self.assertEqual(sorted(named), sorted(steps))
                        watched |= set(steps)
        self.assertLessEqual(set(STEPS) | {"intake"}, watched)
        for login in logins.values():
            for target in login["spec"]["secretTargetRef"]:
                self.assertEqual(sorted(target), ["key", "name", "parameter"])
                self.assertEqual(target["name"], "goldsmith-keda")

    @unittest.skipUnless(shutil.which("promtool"), "promtool asks Prometheus' own language")
    def test_scaling_counts_what_is_ready_and_what_runs_and_takes_no_worker_while_anything_runs(self):
        data = of_kind("ScaledObject")["goldsmith-replicate"]["spec"]["triggers"][0]["metadata"]
        self.assertEqual(data["threshold"], "4")

        def metrics(ready, running, is_ready=1):
            """One worker's, `ready` being the same for all."""
            for number, jobs in enumerate(running):
                at = f'instance="w{number}"'
                yield f'goldsmith_queue_messages{{{at}, lane="replicate"}}', ready
                yield f'goldsmith_queue_messages{{{at}, lane="convert"}}', 0
                yield f'goldsmith_ready{{{at}}}', is_ready
                if jobs is not None:
                    yield f'goldsmith_jobs_running{{{at}, step="replicate"}}', jobs

        cases = [
            ("nothing to do", list(metrics(0, [0, 0, 0])), 0),
            ("nothing was ever begun", list(metrics(0, [None, None])), 0),
            ("a backlog", list(metrics(40, [4, 4])), 48),
            # Eight workers with one copy each: two would be enough to begin them, and six copies would be stopped.
            ("few copies on many workers", list(metrics(0, [1] * 8)), 32),
            ("one copy is left", list(metrics(0, [1] + [0] * 7)), 32),
            ("all of them drain", list(metrics(0, [1, 1], is_ready=0)), 2),
        ]
        tests = [
            {
                "interval": "1m",
                "name": name,
                "input_series": [{"series": series, "values": f"{value}x5"} for series, value in inputs],
                "promql_expr_test": [
                    {"expr": data["query"], "eval_time": "2m", "exp_samples": [{"labels": "{}", "value": value}]}
                ],
            }
            for name, inputs, value in cases
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "scaling.test.yml"
            path.write_text(yaml.safe_dump({"rule_files": [], "tests": tests}))
            done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_pod_is_behind_a_network_policy_that_closes_everything(self):
        policy = of_kind("NetworkPolicy")["nothing"]["spec"]
        self.assertEqual(policy, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


class Compose(unittest.TestCase):
    def setUp(self):
        self.text = (ROOT / "docker-compose.yml").read_text()
        self.file = yaml.safe_load(self.text)
        self.services = self.file["services"]

    def test_no_password_has_a_default_and_none_is_written_down(self):
        for name, source in self.file["secrets"].items():
            self.assertTrue(source["file"].startswith("${GOLDSMITH_SECRETS"), name)
            self.assertNotIn(":-", source["file"])
        self.assertRegex(self.text, r"\$\{GOLDSMITH_SECRETS:\?")
        for name, service in self.services.items():
            for variable in service.get("environment", {}):
                with self.subTest(name, variable=variable):
                    self.assertNotRegex(variable, r"(PASS|PASSWORD|URL|SECRET|TOKEN)$")

    def test_every_secret_that_is_used_is_made_and_every_one_made_is_used(self):
        named = {secret for service in self.services.values() for secret in service.get("secrets", [])}
        self.assertEqual(named, set(self.file["secrets"]))
        for name, service in self.services.items():
            for variable, value in service.get("environment", {}).items():
                if str(value).startswith("/run/secrets/"):
                    with self.subTest(name, variable=variable):
                        self.assertIn(value.removeprefix("/run/secrets/"), service["secrets"])

    def test_the_order_of_the_start_is_by_health(self):
        wants = {
            "topology": {"definitions": "service_completed_successfully", "rabbitmq": "service_healthy"},
            "migrate": {"postgres": "service_healthy"},
            "worker": {"topology": "service_completed_successfully", "migrate": "service_completed_successfully"},
        }
        wants["console"] = wants["worker"]
        for name, wanted in wants.items():
            found = {key: value["condition"] for key, value in self.services[name]["depends_on"].items()}
            self.assertEqual(found, wanted, name)
        for name in ("rabbitmq", "postgres", "worker", "console"):
            self.assertIn("test", self.services[name]["healthcheck"], name)
        # What depends on something of ours is made anew with each version of ours.
        for name in ("rabbitmq", "postgres"):
            self.assertNotIn("depends_on", self.services[name], name)

    def test_there_can_be_many_workers(self):
        worker = self.services["worker"]
        self.assertFalse({"container_name", "ports", "hostname"} & set(worker))
        self.assertTrue(worker["scale"].startswith("${GOLDSMITH_WORKERS"))
        self.assertGreaterEqual(int(worker["stop_grace_period"].removesuffix("s")), DRAIN + AFTER_DRAIN)

    def test_the_image_is_built_once(self):
        self.assertEqual([name for name, service in self.services.items() if "build" in service], ["worker"])

    def test_nothing_grows_without_a_limit(self):
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertIn("max-size", service["logging"]["options"])
                self.assertIn("mem_limit", service)
                self.assertIn("pids_limit", service)
                for place in service.get("tmpfs", []):
                    self.assertIn("size=", place)

    def test_git_ignores_what_holds_passwords(self):
        ignored = (ROOT / ".gitignore").read_text().splitlines()
        self.assertLessEqual({"/secrets/", "/.env", "/goldsmith.env"}, set(ignored))

    def test_what_is_ours_has_no_rights_and_only_the_migration_owns_the_tables(self):
        ours = [name for name, service in self.services.items() if "GOLDSMITH_IMAGE" in service["image"]]
        self.assertEqual(sorted(ours), ["cli", "console", "console-user", "definitions", "migrate", "topology", "worker"])
        for name in ours:
            service = self.services[name]
            self.assertNotRegex(str(service.get("user", "")), r"^(0|root)\b", name)
            self.assertEqual((service["cap_drop"], service["read_only"]), (["ALL"], True), name)
            self.assertIn("no-new-privileges:true", service["security_opt"])
        owners = [name for name, service in self.services.items() if "owner_store_url" in service.get("secrets", [])]
        self.assertEqual(owners, ["migrate"])

    def test_ports_are_open_to_this_machine_only(self):
        for service in self.services.values():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), port)


class Others(unittest.TestCase):
    def test_the_image_ends_as_a_user_without_rights(self):
        lines = (ROOT / "Dockerfile").read_text().splitlines()
        stages = [line.split(" AS ")[1] for line in lines if line.startswith("FROM ")]
        self.assertEqual(stages, ["build", "base", "guests", "slim"])
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        self.assertEqual(users[-1], "10001:10001")
        self.assertNotIn("# syntax=", "\n".join(lines), "it would be fetched")

    def test_the_workflow_calls_the_readmes_two_commands(self):
        jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
        runs = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
        for command in ("make demo", "make test"):
            self.assertIn(command, (ROOT / "README.md").read_text())
            self.assertIn(command, runs)

    def test_a_worker_under_systemd_has_longer_to_stop_than_to_drain(self):
        unit = (ROOT / "deploy/systemd/goldsmith-worker@.service").read_text()
        seconds = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M).group(1))
        self.assertGreaterEqual(seconds, DRAIN + AFTER_DRAIN)
        for line in ("KillMode=mixed", "NoNewPrivileges=yes", "ProtectSystem=strict"):
            self.assertIn(f"\n{line}\n", unit)

    def test_a_workers_filter_lets_its_children_start_and_guests_be_looked_into(self):
        unit = (ROOT / "deploy/systemd/goldsmith-worker@.service").read_text()
        filters = re.findall(r"^SystemCallFilter=(.*)$", unit, re.M)
        # What is named later counts.
        denied = next(number for number, text in enumerate(filters) if text.startswith("~") and "@privileged" in text)
        for call in ("capset", "seccomp"):
            self.assertIn(call, " ".join(filters[denied + 1 :]).split())
        self.assertIn("\nProtectKernelModules=no\n", unit)

    def test_every_release_build_has_the_same_flags(self):
        # With others all of it is built again; without Swift's libraries the program needs a Swift where it runs.
        text = (ROOT / "Makefile").read_text()
        self.assertIn("\nRELEASE := -c release --static-swift-stdlib\n", text)
        self.assertEqual(text.count("-c release"), 1)
        self.assertIn("swift build -c release --static-swift-stdlib", (ROOT / "Dockerfile").read_text())

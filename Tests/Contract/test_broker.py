"""The contract over a real broker: every request kind is published, every answer and event kind is received, and each
is valid by docs/asyncapi.yaml.

Needs a running `goldsmith dev` that may be spoilt; scripts/contract starts one.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import unittest
import uuid

from contract import Contract, documented, fields
from upstream import Upstream, facts

CONTRACT = Contract()
DATA = pathlib.Path(os.environ["GOLDSMITH_DATA"])
OWNER = "acct-42"


def goldsmith(*arguments):
    subprocess.run([os.environ["GOLDSMITH"], *arguments], check=True, stdout=subprocess.DEVNULL)



def example(name, number=0, **changes):
    """A request just as docs/messages.md shows it, but for what depends on the installation."""
    shown = [value for _, label, value in documented() if label == name]
    return shown[number] | changes


class Broker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sample = ("instance", "sample", "--owner", OWNER, "--id")
        goldsmith(*sample, "i-web1", "--data-disks", "2", "--mib", "48", "--with-faults")
        goldsmith(*sample, "i-small", "--data-disks", "1", "--mib", "2")
        goldsmith(*sample, "i-running", "--status", "Running", "--mib", "1")
        cls.upstream = Upstream(facts(DATA)["amqpUrl"])
        cls.answered = {}
        cls.asked = set()

    @classmethod
    def tearDownClass(cls):
        cls.upstream.close()

    # MARK: What the story below uses

    def ask(self, operation, body, **properties):
        """Publishes one request; its answer has to be one of those the document names."""
        request = CONTRACT.requests[operation]
        answer = self.upstream.ask(operation, body, **properties)
        self.assertEqual(answer.properties.content_type, CONTRACT.content_type("rejected"))
        self.assertEqual(answer.properties.delivery_mode, 2)
        kind = CONTRACT.the_one(CONTRACT.answers(request), answer.payload)
        self.answered.setdefault(kind, []).append(answer.payload)
        self.asked.add(request)
        return answer.payload

    def accepted(self, operation, body, **properties):
        """The same, of a request that is valid and taken."""
        self.assertEqual(CONTRACT.complaints(CONTRACT.requests[operation], body), [])
        answer = self.ask(operation, body, **properties)
        self.assertEqual(answer["status"], "accepted", answer)
        return answer

    def refused(self, code, field, operation, body, **properties):
        answer = self.ask(operation, body, **properties)
        self.assertEqual((answer["status"], answer.get("code"), answer.get("field")), ("rejected", code, field), answer)

    def new(self, owner=OWNER, **body):
        return {"requestId": str(uuid.uuid4()), "owner": owner} | body

    def event(self, type, image, **more):
        return self.upstream.event(type, image, **more).payload

    @contextlib.contextmanager
    def without_location(self, name):
        place = DATA / "locations" / name
        aside = place.with_name(name + "-aside")
        place.rename(aside)
        try:
            yield
        finally:
            aside.rename(place)

    # MARK: The story

    def test_every_kind_of_message_is_exchanged_and_valid(self):
        self.tell_of_refusals()
        image = self.tell_of_a_making()
        self.tell_of_listing(image)
        self.tell_of_a_proof(image)
        self.tell_of_sharing_and_launching(image)
        converted = self.tell_of_a_conversion(image)
        self.tell_of_a_failure()
        self.tell_of_deletions(image, converted)
        self.check_what_came()

    def tell_of_refusals(self):
        nobody = self.new(instanceId="i-nobody", name="web")
        self.refused("NOT_FOUND", "instanceId", "image.create", nobody)
        self.refused("CONFLICT", "requestId", "image.create", nobody | {"name": "other"})
        # The example of a refusal on the page.
        self.refused("NOT_FOUND", "instanceId", "image.create", self.new(instanceId="i-web9", name="web"))
        small = self.new(instanceId="i-small", name="web")
        self.refused(
            "NOT_FOUND", "dataDisks[0].device", "image.create", small | {"dataDisks": [{"device": "/dev/vdd"}]}
        )
        running = self.new(instanceId="i-running", name="web")
        self.refused("FAILED_PRECONDITION", "instanceId", "image.create", running)
        self.refused("OUT_OF_RANGE", "name", "image.create", self.new(instanceId="i-small", name="w" * 33))
        twice = self.new(imageId="img-nobody", **{"with": ["acct-7", "acct-7"]})
        self.refused("DUPLICATE", "with[1]", "image.share", twice)
        unsure = self.new(imageId="img-nobody", confirm=False)
        self.refused("FAILED_PRECONDITION", "confirm", "image.delete", unsure)
        # Who may ask. Refused without being recorded: the same request by a user who may ask is taken.
        body = self.new(imageId="img-nobody")
        self.refused("PERMISSION_DENIED", "user_id", "image.cancel", body, user_id=None)
        self.refused("NOT_FOUND", "imageId", "image.cancel", body)
        stranger = self.new(owner="acct-9", imageId="img-nobody")
        self.refused("PERMISSION_DENIED", "user_id", "image.cancel", stranger)
        self.refused("PERMISSION_DENIED", "user_id", "image.cancel", stranger | {"typo": 1})
        # No known sender: parked, and answered all the same.
        self.refused("INVALID_ARGUMENT", "owner", "image.cancel", {"requestId": "r", "imageId": "img-nobody"})
        self.refused("INVALID_ARGUMENT", "content_type", "image.cancel", self.new(), content_type="text/plain")
        # The property stands in for the field.
        body = {"owner": OWNER, "imageId": "img-nobody"}
        self.refused("NOT_FOUND", "imageId", "image.retry", body, message_id="by-message-id")

    def tell_of_a_making(self):
        rehearsal = self.new(instanceId="i-web1", name="web-golden", dataDisks="all", dryRun=True)
        self.assertNotIn("estimatedSeconds", self.accepted("image.create", rehearsal)["dryRun"])
        create = example("imageCreate")
        # These workers do not look into guests.
        del create["seal"], create["secretScan"]
        trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "a=1"}
        answer = self.accepted("image.create", create, headers=trace)
        image = answer["imageId"]
        self.assertEqual(answer, {"status": "accepted", "imageId": image, "imageStatus": "Pending"})
        self.assertEqual(self.accepted("image.create", create), answer, "a repetition gets the first answer")
        # A second image of the same instance has to wait for it, and is cancelled.
        second = self.new(instanceId="i-web1", name="web-second", guestChecks="off")
        second = self.accepted("image.create", second)["imageId"]
        waiting = self.event("step.stop-check.waiting", second)
        self.assertIn(image, waiting["data"]["message"])
        self.assertEqual(self.accepted("image.cancel", example("imageCancel", imageId=second))["imageStatus"], "Error")
        self.assertEqual(self.event("image.error", second)["data"]["code"], "CANCELLED")
        self.event("image.cleaned", second)
        # Its workers are stopped in the middle of a copy, and others go on.
        self.event("image.progress", image)
        for worker in facts(DATA)["pids"]["workers"]:
            os.kill(worker, signal.SIGTERM)
        self.upstream.wait(
            "an interrupted step",
            lambda: [e for e in self.upstream.events if e.payload["type"].endswith(".interrupted")],
        )
        self.event("image.replicating", image)
        available = self.event("image.available", image)
        self.assertEqual(sorted(available["data"]["locations"]), ["east", "west"])
        # Either what is there, or that it could not be inspected.
        self.assertNotEqual(available["data"]["findings"], [])
        self.assertEqual([disk["device"] for disk in available["data"]["disks"]], ["/dev/vda", "/dev/vdb", "/dev/vdc"])
        rehearsal = self.new(instanceId="i-web1", name="web-golden", dataDisks="all", dryRun=True)
        self.assertIn("estimatedSeconds", self.accepted("image.create", rehearsal)["dryRun"])
        return image

    def tell_of_listing(self, image):
        described = self.accepted("image.describe", example("imageDescribe", imageId=image))
        self.assertEqual(described["image"]["name"], "web-golden")
        self.assertEqual(described["image"]["history"][0]["what"], "image.pending")
        self.assertNotIn("nextPage", described)
        known = described["image"]["history"][-2]["sequence"]
        later = self.accepted("image.describe", example("imageDescribe", 1, imageId=image, page=str(known)))
        self.assertEqual(later["image"]["history"][0], described["image"]["history"][-1])
        page = self.accepted("image.describe", example("imageDescribe", 2))
        self.assertEqual([entry["id"] for entry in page["images"]], [image])
        rest = self.accepted("image.describe", example("imageDescribe", 2, page=page["nextPage"]))
        self.assertEqual(rest, {"status": "accepted", "images": []})
        youngest = self.accepted("image.describe", self.new())["images"]
        self.assertEqual([entry["name"] for entry in youngest], ["web-second", "web-golden"])
        failed = self.accepted("image.describe", self.new(status="Error", instanceId="i-web1"))["images"]
        self.assertEqual([entry["failure"]["code"] for entry in failed], ["CANCELLED"])

    def tell_of_a_proof(self, image):
        made = self.event("image.boot-proof", image)
        nowhere = self.new(imageId=image, location="nowhere")
        self.refused("NOT_FOUND", "location", "image.prove", nowhere)
        answer = self.accepted("image.prove", example("imageProve", imageId=image))
        self.assertEqual(answer["imageStatus"], "Available")
        proof = self.event("image.boot-proof", image, after=int(made["sequence"]))
        self.assertEqual((proof["data"]["subject"], proof["data"]["status"]), ("west", "Available"))
        described = self.accepted("image.describe", self.new(imageId=image))["image"]
        self.assertEqual((described["status"], described["bootProof"]["location"]), ("Available", "west"))

    def tell_of_sharing_and_launching(self, image):
        self.refused("NOT_FOUND", "imageId", "image.describe", self.new(owner="acct-7", imageId=image))
        self.accepted("image.share", example("imageShare", imageId=image))
        self.assertEqual(self.event("image.shared", image)["data"]["message"], "with acct-7, acct-8")
        self.accepted("image.unshare", example("imageUnshare", imageId=image))
        self.event("image.unshared", image)
        shared = self.accepted("image.describe", self.new(owner="acct-7", shared=True))["images"]
        self.assertEqual([entry["id"] for entry in shared], [image])
        self.assertNotIn("instanceId", shared[0])
        self.refused("NOT_FOUND", "imageId", "image.cancel", self.new(owner="acct-7", imageId=image))

        rehearsed = self.accepted("instance.launch", self.new(imageId=image, newDisks=[{"sizeGiB": 1}], dryRun=True))
        self.assertNotIn("instanceId", rehearsed)
        own = self.accepted("instance.launch", example("instanceLaunch", imageId=image))
        self.assertEqual(
            [(disk["device"], disk.get("from")) for disk in own["disks"]],
            [("/dev/vda", "/dev/vda"), ("/dev/vdb", "/dev/vdb"), ("/dev/vdc", "/dev/vdc"), ("/dev/vdd", None)],
        )
        body = self.new(
            owner="acct-7", imageId=image, instanceId="i-named", dataDisks=[{"device": "/dev/vdb", "leaveOut": True}]
        )
        others = self.accepted("instance.launch", body)
        self.assertEqual(others["instanceId"], "i-named")
        again = self.new(imageId=image, instanceId="i-named")
        self.refused("CONFLICT", "instanceId", "instance.launch", again)
        for owner, launch in ((OWNER, own), ("acct-7", others)):
            done = self.upstream.event("step.launch.done", image, owner=owner)
            self.assertEqual(done.routing_key, f"step.launch.done.{owner}")
            self.assertEqual(done.payload["data"]["instanceId"], launch["instanceId"])

        gone = self.new(imageId=image, confirm=True)
        self.refused("FAILED_PRECONDITION", "imageId", "image.delete", gone)
        self.accepted("image.unshare", self.new(imageId=image, **{"with": ["acct-7"]}))
        gone = self.new(imageId=image, confirm=True)
        self.refused("FAILED_PRECONDITION", "imageId", "image.delete", gone)
        for launch in (own, others):
            shutil.rmtree(DATA / "instances" / launch["instanceId"])

    def tell_of_a_conversion(self, image):
        converted = self.accepted("image.convert", example("imageConvert", imageId=image))["imageId"]
        self.assertNotEqual(converted, image)
        self.assertEqual(self.event("image.converting", image)["data"]["message"], f"into {converted}")
        self.event("step.convert.done", converted)
        self.event("image.available", converted)
        described = self.accepted("image.describe", self.new(imageId=converted))["image"]
        self.assertEqual((described["rootDeviceType"], described["convertedFrom"]), ("cloudDisk", image))
        return converted

    def tell_of_a_failure(self):
        with self.without_location("west"):
            body = self.new(instanceId="i-small", name="web-small", dataDisks="all", guestChecks="off")
            image = self.accepted("image.create", body)["imageId"]
            self.event("step.replicate.retrying", image)
            failed = self.event("step.replicate.failed", image)
            error = self.event("image.error", image)
            self.assertEqual(error["data"]["code"], failed["data"]["code"])
            self.assertEqual((error["data"]["step"], error["data"]["subject"]), ("replicate", "west"))
        self.event("image.cleaned", image)
        described = self.accepted("image.describe", self.new(imageId=image, history=True))["image"]
        self.assertEqual((described["failure"]["step"], described["failure"]["cleanUp"]), ("replicate", "done"))
        self.accepted("image.retry", example("imageRetry", imageId=image))
        again = self.event("image.pending", image, after=int(error["sequence"]))
        self.assertEqual(again["data"]["message"], "tried again")
        available = self.event("image.available", image)
        goldsmith("quota", "set", "--owner", OWNER, "--images", "3", "--snapshots", "15")
        self.refused("QUOTA_EXCEEDED", None, "image.create", self.new(instanceId="i-small", name="one-too-many"))
        self.accepted("image.delete", self.new(imageId=image, confirm=True, deleteSnapshots=True))
        self.event("image.deleted", image, after=int(available["sequence"]))

    def tell_of_deletions(self, image, converted):
        # The data disks' snapshots are both images': they go with the last of them.
        answer = self.accepted("image.delete", example("imageDelete", imageId=image))
        self.assertEqual(answer["imageStatus"], "Deleting")
        self.event("image.deleting", image)
        deleted = self.event("image.deleted", image)
        described = self.accepted("image.describe", self.new(imageId=image, history=True))
        self.assertEqual((described["imageStatus"], len(described["image"]["keptSnapshots"])), ("Deleted", 2))
        self.refused("NOT_FOUND", "imageId", "image.share", self.new(imageId=image, **{"with": ["acct-7"]}))
        kept = {
            entry["id"]: len(entry.get("keptSnapshots", []))
            for entry in self.accepted("image.describe", self.new(status="Deleted"))["images"]
        }
        self.assertEqual(kept[image], 2)
        self.accepted("image.delete", self.new(imageId=converted, confirm=True, deleteSnapshots=True))
        self.event("image.deleted", converted)
        self.event("image.deleted", image, after=int(deleted["sequence"]))
        self.assertEqual(list((DATA / "snapshots").iterdir()), [])

    def wait_for_every_event(self):
        """An event may come after one with a higher sequence number, sent by another worker; none may be missing."""

        def complete():
            numbers = {}
            for event in self.upstream.events:
                if "sequence" in event.payload:
                    numbers.setdefault(event.payload["subject"], set()).add(int(event.payload["sequence"]))
            return all(seen == set(range(1, max(seen) + 1)) for seen in numbers.values())

        self.upstream.wait("every event up to the last of its image", complete)

    def check_what_came(self):
        self.wait_for_every_event()
        received, traced = {}, 0
        for event in self.upstream.events:
            payload, properties = event.payload, event.properties
            name = CONTRACT.the_one(CONTRACT.events(event.routing_key), payload)
            received.setdefault(name, []).append(payload)
            self.assertEqual(CONTRACT.cloud_event_complaints(payload), [])
            self.assertEqual(CONTRACT.header_complaints(name, properties.headers or {}), [])
            traced += "traceparent" in (properties.headers or {})
            self.assertEqual(properties.content_type, CONTRACT.content_type(name))
            self.assertEqual(properties.message_id, payload["id"])
            self.assertEqual(properties.correlation_id, payload.get("subject"))
            self.assertEqual(properties.delivery_mode, 2)
            self.assertEqual(f"goldsmith.{event.routing_key}", f"{payload['type']}.{payload['data']['owner']}")
            if "sequence" in payload:
                self.assertEqual(payload["id"], f"{payload['subject']}/{payload['sequence']}")
        self.assertGreater(traced, 5)

        steps = {payload["type"] for payload in received["stepDone"]}
        for step in CONTRACT.document["channels"]["stepEvents"]["parameters"]["step"]["enum"]:
            self.assertIn(f"goldsmith.step.{step}.done", steps)
        self.assertEqual(self.asked, set(CONTRACT.requests.values()))
        received |= self.answered
        for name in CONTRACT.messages.keys() - CONTRACT.requests.values():
            self.assertIn(name, received, "no such message came")
            # What the document, and the page with it, shows is what is sent: one that came has just these fields.
            shapes = [fields(payload) for payload in received[name]]
            for shown in CONTRACT.examples(name):
                near = min(shapes, key=lambda shape: len(shape ^ fields(shown)))
                self.assertEqual(fields(shown) ^ near, set(), f"no {name} came with the fields of the example")


if __name__ == "__main__":
    unittest.main()

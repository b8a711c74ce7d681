"""docs/asyncapi.yaml and the program's parser refuse the same requests.

Needs a running `goldsmith dev`; scripts/contract starts one.
"""

import os
import unittest
import uuid

from contract import Contract
from upstream import Upstream, facts

CONTRACT = Contract()
# Values of every kind, and texts that mean something elsewhere. None counts as absent.
STRANGE = [5, 5.5, -1, "", "x y", "../x", True, [], [5], [[]], {}, {"a": 1}, [{}], ["a", "a"]]


def owners(count):
    return [f"acct-{number}" for number in range(count)]


def devices(last):
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    names = letters + [a + b for a in "ab" for b in letters]
    return [{"device": f"/dev/vd{name}"} for name in names[1 : names.index(last) + 1]]


# Operation, field, the last value that may be, the first that may not.
LIMITS = [
    ("image.cancel", "requestId", str(uuid.uuid4()).ljust(128, "x"), str(uuid.uuid4()).ljust(129, "x")),
    ("image.cancel", "requestId", str(uuid.uuid4()) + "~!/", str(uuid.uuid4()) + " "),
    ("image.cancel", "imageId", "i" * 63, "i" * 64),
    ("image.cancel", "imageId", "0._-", "-0"),
    ("image.create", "name", "ab", "a"),
    ("image.create", "name", "ä1_-." + "ß" * 27, "a" * 33),
    ("image.create", "description", "\n" * 256, "d" * 257),
    ("image.create", "dataDisks", devices("bm"), [*devices("bm"), {"device": "/dev/vdbn"}]),
    ("image.create", "dataDisks", [{"device": "/dev/vdb", "sizeGiB": 1}], [{"device": "/dev/vdb", "sizeGiB": 0}]),
    ("image.create", "dataDisks", [{"device": "/dev/vdb"}], [{"device": "/dev/vda"}]),
    (
        "image.create",
        "dataDisks",
        [{"device": "/dev/vdb", "sizeGiB": 1 << 20}],
        [{"device": "/dev/vdb", "sizeGiB": (1 << 20) + 1}],
    ),
    ("image.create", "replicateTo", owners(64), owners(65)),
    ("image.create", "replicateTo", ["a.b"], []),
    ("image.create", "guestChecks", "off", "Off"),
    ("image.create", "labels", dict.fromkeys(owners(32), "v" * 63), dict.fromkeys(owners(33), "v")),
    ("image.create", "labels", {"l" * 63: ""}, {"l" * 64: ""}),
    ("image.create", "labels", {"l": "v" * 63}, {"l": "v" * 64}),
    ("image.share", "with", owners(64), owners(65)),
    ("image.share", "with", ["acct-7"], ["acct.7"]),
    ("image.prove", "location", "a.b", "-a"),
    ("image.describe", "limit", 1, 0),
    ("image.describe", "limit", 100, 101),
    ("image.describe", "page", "1767225600000000-img-5f0c2b7e9a41d3c8", "1767225600000000"),
    ("instance.launch", "dataDisks", devices("bm"), [*devices("bm"), {"device": "/dev/vdbn"}]),
    ("instance.launch", "newDisks", [{"sizeGiB": 1}] * 64, [{"sizeGiB": 1}] * 65),
]


class Parser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = Upstream(facts(os.environ["GOLDSMITH_DATA"])["amqpUrl"])

    @classmethod
    def tearDownClass(cls):
        cls.upstream.close()

    def test_the_schemas_and_the_program_refuse_the_same_requests(self):
        compared = 0
        for operation, name in CONTRACT.requests.items():
            for shown in CONTRACT.examples(name):
                sound = of_nothing(shown)
                for body in variants(sound, keep=("owner",)):
                    self.compare(operation, body)
                    compared += 1
        self.assertGreater(compared, 500)

    def test_every_limit_is_the_same_in_the_schemas_and_the_program(self):
        for operation, field, within, beyond in LIMITS:
            sound = of_nothing(CONTRACT.examples(CONTRACT.requests[operation])[-1])
            with self.subTest(f"{operation} {field}"):
                self.assertTrue(self.compare(operation, sound | {field: within}))
                self.assertFalse(self.compare(operation, sound | {field: beyond}))

    def compare(self, operation, body):
        """Whether a request is well-formed, on which both have to agree."""
        body = {"requestId": str(uuid.uuid4())} | body
        by_schema = CONTRACT.complaints(CONTRACT.requests[operation], body)
        answer = self.upstream.ask(operation, body).payload
        is_sound = answer["status"] == "accepted" or answer["code"] == "NOT_FOUND"
        self.assertEqual(is_sound, not by_schema, f"{operation} {body}\n{answer}\n{by_schema}")
        return is_sound


def of_nothing(request):
    """The same about what is not there, without its id: now what is well-formed is NOT_FOUND, and never repeated."""
    nothing = {"instanceId": "i-nobody", "imageId": "img-nobody"}
    return {key: nothing.get(key, value) for key, value in request.items() if key != "requestId"}


def variants(sound, keep=()):
    """An object as it is, with a field too many, with each one missing, and with each one spoilt."""
    yield sound
    yield sound | {"typo": 1}
    for field, value in sound.items():
        if field in keep:
            continue
        yield {key: other for key, other in sound.items() if key != field}
        for strange in STRANGE:
            yield sound | {field: strange}
        for index, item in enumerate(value if isinstance(value, list) else []):
            spoilt = variants(item) if isinstance(item, dict) else STRANGE
            for other in [None, *spoilt]:
                yield sound | {field: value[:index] + [other] + value[index + 1 :]}


if __name__ == "__main__":
    unittest.main()

"""The contract on paper: docs/asyncapi.yaml is valid, and docs/messages.md shows the same messages."""

import json
import unittest

import jsonschema

from contract import Contract, complaints, documented, fields, specification

CONTRACT = Contract()


class Documents(unittest.TestCase):
    def test_the_document_is_valid_by_the_specifications_own_schema(self):
        schema = specification("asyncapi-3.0.0.json")
        self.assertEqual(complaints(schema, schema, CONTRACT.document), [])
        # And that can fail.
        for spoil in (
            lambda document: document.pop("info"),
            lambda document: document["operations"]["imageCreate"].update(action="take"),
            lambda document: document["channels"]["answers"].update(adress="q"),
            lambda document: document["components"]["schemas"]["Owner"].update(type="text"),
        ):
            spoilt = json.loads(json.dumps(CONTRACT.document))
            spoil(spoilt)
            self.assertNotEqual(complaints(schema, schema, spoilt), [])

    def test_every_reference_leads_somewhere_and_nothing_is_left_over(self):
        used = set()

        def look(value):
            if isinstance(value, list):
                for item in value:
                    look(item)
            elif isinstance(value, dict):
                if isinstance(value.get("$ref"), str):
                    CONTRACT.resolve(value)
                    used.add(value["$ref"])
                for item in value.values():
                    look(item)

        look(CONTRACT.document)
        there = {
            f"#/components/{kind}/{name}"
            for kind, components in CONTRACT.document["components"].items()
            for name in components
        }
        self.assertEqual(there - used, set())

    def test_every_schema_is_one(self):
        for name, schema in CONTRACT.document["components"]["schemas"].items():
            with self.subTest(name):
                jsonschema.Draft7Validator.check_schema(schema)

    def test_every_message_has_examples_which_are_valid(self):
        for name in CONTRACT.messages:
            for example in CONTRACT.examples(name):
                with self.subTest(name):
                    self.assertEqual(CONTRACT.complaints(name, example), [])

    def test_every_message_may_carry_a_trace_and_no_malformed_one(self):
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        for name in CONTRACT.messages:
            for sound in ({}, {"other": 1}, {"traceparent": parent}, {"traceparent": parent, "tracestate": "a=1"}):
                self.assertEqual(CONTRACT.header_complaints(name, sound), [], name)
            for spoilt in (
                {"traceparent": parent.upper()},
                {"traceparent": parent[:-1]},
                {"traceparent": parent.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)},
                {"traceparent": parent, "tracestate": "a" * 513},
                {"tracestate": "a=1"},
            ):
                self.assertNotEqual(CONTRACT.header_complaints(name, spoilt), [], f"{name} {spoilt}")

    def test_every_event_is_a_cloud_event(self):
        events = [name for name in CONTRACT.messages if CONTRACT.content_type(name) == "application/cloudevents+json"]
        self.assertEqual(len(events), 19)
        for name in events:
            for example in CONTRACT.examples(name):
                self.assertEqual(CONTRACT.cloud_event_complaints(example), [], name)
                self.assertNotEqual(CONTRACT.cloud_event_complaints(example | {"time": "noon"}), [])
                self.assertNotEqual(CONTRACT.cloud_event_complaints(example | {"imageId": "x"}), [])

    def test_a_request_has_no_other_field_than_those_listed(self):
        for name in CONTRACT.requests.values():
            payload = CONTRACT.messages[name]["payload"]
            for example in CONTRACT.examples(name):
                self.assertNotEqual(complaints(payload, CONTRACT.document, example | {"typo": 1}), [], name)

    def test_an_answer_and_an_event_may_have_more_fields_than_those_listed(self):
        for name in CONTRACT.messages.keys() - CONTRACT.requests.values():
            payload = CONTRACT.messages[name]["payload"]
            for example in CONTRACT.examples(name):
                self.assertEqual(complaints(payload, CONTRACT.document, example | {"later": 1}), [], name)

    def test_the_page_shows_nothing_but_examples_of_the_document(self):
        shown = set()
        for line, label, value in documented():
            if label == "internal":
                continue
            with self.subTest(f"docs/messages.md:{line}"):
                name, *part = label.split(" ")
                self.assertIn(name, CONTRACT.messages, "the fence names no message")
                examples = CONTRACT.examples(name)
                if part == ["data"]:
                    examples = [example["data"] for example in examples]
                self.assertIn(value, examples)
                shown.add(name)
        self.assertLessEqual(set(CONTRACT.requests.values()), shown)
        self.assertGreater(len(shown), 20)

    def test_the_request_in_the_readme_is_valid(self):
        ((line, label, value),) = documented("README.md")
        self.assertEqual(CONTRACT.complaints(label, value), [], f"README.md:{line}")

    def test_the_fields_of_a_value_are_told_apart(self):
        self.assertEqual(fields({"a": [{"b": 1}, {"c": 2}]}), {"", ".a", ".a[]", ".a[].b", ".a[].c"})


if __name__ == "__main__":
    unittest.main()

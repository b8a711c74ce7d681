"""What docs/asyncapi.yaml says, to be asked of it: channels, messages, schemas and examples."""

import copy
import datetime
import json
import pathlib
import re

import jsonschema
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("date-time", raises=ValueError)
def is_time(value):
    return not isinstance(value, str) or datetime.datetime.fromisoformat(value).tzinfo is not None


class LocalResolver(jsonschema.RefResolver):
    """Follows references within one document.

    Debian's jsonschema takes every "$id" for an identifier, also where a schema of schemas has a property of that name.
    """

    def resolve(self, ref):
        if not ref.startswith("#"):
            raise jsonschema.RefResolutionError(f"{ref} leads out of the document")
        return ref, self.resolve_fragment(self.referrer, ref[1:])


def validator(schema, document):
    return jsonschema.Draft7Validator(schema, resolver=LocalResolver("", document), format_checker=FORMATS)


def complaints(schema, document, value):
    """What is wrong with a value, one line each; empty when nothing is."""
    lines = []
    for error in validator(schema, document).iter_errors(value):
        where = "/".join(str(part) for part in error.absolute_path) or "(the whole)"
        lines.append(f"{where}: {error.message[:300]}")
    return lines


def closed(value):
    """The same document with every object refusing what it does not list.

    The document leaves answers and events open, since fields are added to them; the program of this version must send
    nothing that this version's document does not know.
    """
    if isinstance(value, list):
        return [closed(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: closed(item) for key, item in value.items()}
    if result.get("type") == "object" and isinstance(result.get("properties"), dict):
        result.setdefault("additionalProperties", False)
    return result


def specification(name):
    """A schema that another project has published, copied here as it is."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


class Contract:
    CLOUD_EVENT = specification("cloudevents-1.0.json")

    def __init__(self):
        self.document = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8"))
        self.strict = copy.deepcopy(self.document)
        for part in ("schemas", "messages"):
            self.strict["components"][part] = closed(self.strict["components"][part])

    def resolve(self, value):
        while isinstance(value, dict) and "$ref" in value:
            target = self.strict
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            value = target
        return value

    @property
    def messages(self):
        return self.document["components"]["messages"]

    def content_type(self, name):
        for trait in self.messages[name].get("traits", []):
            return self.resolve(trait)["contentType"]

    def header_complaints(self, name, headers):
        """What is wrong with a message's headers."""
        (trait,) = self.messages[name]["traits"]
        return complaints(self.resolve(trait)["headers"], self.document, headers)

    def examples(self, name):
        return [example["payload"] for example in self.messages[name]["examples"]]

    def complaints(self, name, payload):
        return complaints(self.strict["components"]["messages"][name]["payload"], self.strict, payload)

    def cloud_event_complaints(self, payload):
        """What is wrong with an event by CloudEvents 1.0, whose attributes have lower-case names."""
        lines = complaints(self.CLOUD_EVENT, self.CLOUD_EVENT, payload)
        return lines + [key for key in payload if not re.fullmatch("[a-z0-9]{1,20}", key)]

    # Which messages may be where.

    @property
    def requests(self):
        """Each operation's request: routing key → message."""
        found = {}
        for operation in self.document["operations"].values():
            if operation["action"] == "receive":
                channel = self.resolve(operation["channel"])
                (name,) = channel["messages"]
                found[channel["address"]] = name
        return found

    def answers(self, request):
        """The messages that may answer a request."""
        replies = self.document["operations"][request]["reply"]["messages"]
        return [reply["$ref"].rsplit("/", 1)[1] for reply in replies]

    def events(self, routing_key):
        """The messages that may come under an event's routing key."""
        for operation in self.document["operations"].values():
            channel = self.resolve(operation["channel"])
            if operation["action"] == "send" and self._matches(channel, routing_key):
                return list(channel["messages"])
        return []

    def _matches(self, channel, routing_key):
        words, key = channel["address"].split("."), routing_key.split(".")
        if len(words) != len(key):
            return False
        for word, value in zip(words, key):
            if not word.startswith("{"):
                if word != value:
                    return False
                continue
            allowed = self.resolve(channel["parameters"][word[1:-1]]).get("enum")
            if allowed is not None and value not in allowed:
                return False
        return True

    def the_one(self, names, payload):
        """Which of some messages a payload is.

        Raises when it is none of them, or more than one.
        """
        wrong = {name: self.complaints(name, payload) for name in names}
        fitting = [name for name, lines in wrong.items() if not lines]
        if len(fitting) != 1:
            text = json.dumps(payload, ensure_ascii=False)
            raise AssertionError(f"{text}\nis {fitting or 'none'} of {names}: {json.dumps(wrong, indent=1)}")
        return fitting[0]


def documented(name="docs/messages.md"):
    """The fenced JSON of a page: line, label, value."""
    page = (ROOT / name).read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```json ?([^\n]*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        line = page.count("\n", 0, match.start()) + 1
        found.append((line, match.group(1), json.loads(match.group(2))))
    return found


def fields(value, path=""):
    """Which fields a value has, those of all items of a list together."""
    if isinstance(value, dict):
        # A label's name is the sender's choice.
        if path.endswith(".labels"):
            return {path}
        # What is found in a guest depends on the guest, and on whether this machine can look into one.
        return {path}.union(*(fields(item, f"{path}.{key}") for key, item in value.items() if key != "findings"))
    if isinstance(value, list):
        return {path}.union(*(fields(item, path + "[]") for item in value))
    return {path}

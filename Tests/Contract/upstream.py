"""An upstream of a running `goldsmith dev`: asks, and keeps every answer and event that comes."""

import dataclasses
import json
import pathlib
import time
import uuid

import pika


def facts(data):
    """What a running `goldsmith dev` wrote into its data folder."""
    return json.loads((pathlib.Path(data) / "dev.json").read_text(encoding="utf-8"))


@dataclasses.dataclass
class Received:
    routing_key: str
    properties: pika.BasicProperties
    payload: dict


class Upstream:
    def __init__(self, url):
        self.user = pika.URLParameters(url).credentials.username
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.answers = {}
        self.events = []
        self.answer_queue = self._queue("contract.answers")
        event_queue = self._queue("contract.events")
        self.channel.queue_bind(event_queue, "goldsmith.events", "#")
        self.channel.basic_consume(self.answer_queue, self._take_answer)
        self.channel.basic_consume(event_queue, self._take_event)

    def _queue(self, name):
        self.channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
        return name

    def _take_answer(self, channel, method, properties, body):
        self.answers[properties.correlation_id] = Received(method.routing_key, properties, json.loads(body))
        channel.basic_ack(method.delivery_tag)

    def _take_event(self, channel, method, properties, body):
        self.events.append(Received(method.routing_key, properties, json.loads(body)))
        channel.basic_ack(method.delivery_tag)

    def wait(self, what, condition, seconds=90):
        """Takes what comes until a condition holds; returns what the condition returned."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                last = [f"{event.payload['type']} {event.payload['data']}" for event in self.events[-10:]]
                raise AssertionError(f"{what} did not come within {seconds} s; the last events:\n" + "\n".join(last))
            self.connection.process_data_events(time_limit=0.2)

    def ask(self, operation, body, user_id="", **properties):
        """Publishes a request, waits for the broker's confirm and then for the answer."""
        correlation = str(uuid.uuid4())
        properties = {"content_type": "application/json", "user_id": user_id or self.user} | properties
        if user_id is None:
            del properties["user_id"]
        self.channel.basic_publish(
            "goldsmith.requests",
            operation,
            json.dumps(body).encode(),
            pika.BasicProperties(
                delivery_mode=2, correlation_id=correlation, reply_to=self.answer_queue, **properties
            ),
            mandatory=True,
        )
        return self.wait(f"the answer to {operation} {body}", lambda: self.answers.get(correlation))

    def event(self, type, image=None, after=0, seconds=90, **data):
        """Waits for an event of a type, of an image, with these values in its data, after a sequence number."""

        def found():
            for event in self.events:
                payload = event.payload
                if (
                    payload["type"] == "goldsmith." + type
                    and (image is None or payload.get("subject") == image)
                    and int(payload.get("sequence", after + 1)) > after
                    and all(payload["data"].get(key) == value for key, value in data.items())
                ):
                    return event

        return self.wait(f"{type} of {image} with {data}", found, seconds)

    def close(self):
        for queue in (self.answer_queue, "contract.events"):
            self.channel.queue_delete(queue)
        self.connection.close()

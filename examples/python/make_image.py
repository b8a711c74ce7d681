#!/usr/bin/env python3
"""Asks Goldsmith for an image of a stopped instance, and follows the making to its end."""

import argparse
import json
import os
import sys
import time
import uuid

import pika
from pika.exceptions import AMQPConnectionError, NackError

AVAILABLE, FAILED, REJECTED, OUT_OF_REACH = 0, 1, 4, 5


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The broker is $AMQP_URL, amqp://user:password@host/. $AMQP_QUEUE is a queue that its user may read and that is "
        "bound to the owner's events, such as goldsmith.producer.events; without it this program makes one of its own.",
    )
    parser.add_argument("--owner", required=True)
    parser.add_argument("--instance", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--data-disk", action="append", default=[], metavar="DEVICE", help="repeatable")
    parser.add_argument("--broker-timeout", type=float, default=60, metavar="SECONDS", help="for a broker that is away")
    arguments = parser.parse_args()
    # Each line at once, also into a pipe.
    sys.stdout.reconfigure(line_buffering=True)
    request = {
        # The same for every copy of this request: however often it is sent, it makes one image.
        "requestId": str(uuid.uuid4()),
        "owner": arguments.owner,
        "instanceId": arguments.instance,
        "name": arguments.name,
        "dataDisks": [{"device": device} for device in arguments.data_disk],
    }
    making = Making(request, os.environ["AMQP_URL"])
    out_of_touch_since = None
    while True:
        try:
            return making.run()
        except (AMQPConnectionError, NackError) as error:
            # Nothing is lost: the queue keeps what came, and an answer that was missed is given again.
            now = time.monotonic()
            if out_of_touch_since is None or making.was_in_touch:
                out_of_touch_since = now
            if now - out_of_touch_since > arguments.broker_timeout:
                print(f"the broker is out of reach, or takes nothing: {error!r}", file=sys.stderr)
                return OUT_OF_REACH
            time.sleep(1)


class Making:
    def __init__(self, request, url):
        self.request = request
        self.parameters = pika.URLParameters(url)
        self.given_queue = os.environ.get("AMQP_QUEUE")
        self.queue = self.given_queue or f"example.{request['requestId']}"
        self.image = None
        self.numbers = set()
        self.was_in_touch = False

    def run(self):
        """One connection's worth: from wherever it stands to the end."""
        self.was_in_touch = False
        with pika.BlockingConnection(self.parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            # Answers and events in one queue, which outlives a connection; our own is gone an hour after us. It is bound
            # before anything is asked, so that no event is missed.
            if self.given_queue is None:
                channel.queue_declare(
                    self.queue, durable=True, arguments={"x-queue-type": "quorum", "x-expires": 3_600_000}
                )
                channel.queue_bind(self.queue, "goldsmith.events", f"image.*.{self.request['owner']}")
            if self.image is None:
                self.publish(channel)
            self.was_in_touch = True
            for method, properties, body in channel.consume(self.queue):
                outcome = self.take(properties, json.loads(body))
                channel.basic_ack(method.delivery_tag)
                if outcome is not None:
                    channel.cancel()
                    if self.given_queue is None:
                        channel.queue_delete(self.queue)
                    return outcome

    def publish(self, channel):
        """Returns once the broker has confirmed the request; it is safe then."""
        channel.basic_publish(
            "goldsmith.requests",
            "image.create",
            json.dumps(self.request).encode(),
            pika.BasicProperties(
                content_type="application/json",
                delivery_mode=2,
                reply_to=self.queue,
                correlation_id=self.request["requestId"],
                # The broker vouches for it, and Goldsmith goes by it.
                user_id=self.parameters.credentials.username,
            ),
            mandatory=True,
        )

    def take(self, properties, message):
        """What an answer or an event says; the exit status if it is the end."""
        if properties.content_type == "application/json":
            # A queue that others have used may hold answers to them.
            ours = properties.correlation_id == self.request["requestId"]
            return self.take_answer(message) if ours else None
        data = message["data"]
        # A queue that is bound for us may bring all events of its owners.
        if not message["type"].startswith("goldsmith.image."):
            return None
        if message["type"] == "goldsmith.image.progress":
            if data["imageId"] == self.image:
                progress = data["progress"]
                print(f"  {data['step']} {data.get('subject', '')}: {progress['doneBytes']} of {progress['totalBytes']}")
            return None
        # Other images of this owner, and second copies.
        if data["requestId"] != self.request["requestId"] or message["sequence"] in self.numbers:
            return None
        self.numbers.add(message["sequence"])
        print(f"{message['time']} {data['imageId']} is {data['status']}")
        if message["type"] == "goldsmith.image.available":
            return AVAILABLE
        if message["type"] == "goldsmith.image.error":
            print(f"{data['code']}: {data['message']} {data.get('advice', '')}", file=sys.stderr)
            return FAILED
        return None

    def take_answer(self, answer):
        if answer["status"] == "rejected":
            print(f"{answer['code']}: {answer['message']} ({answer.get('field', 'the whole')})", file=sys.stderr)
            return REJECTED
        self.image = answer["imageId"]
        return None


if __name__ == "__main__":
    sys.exit(main())

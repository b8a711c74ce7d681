"""Dramatiq: a pipeline of four over a quorum queue, each message confirmed. It acknowledges after the work, always."""

import sys

import dramatiq
import pika
from dramatiq.brokers.rabbitmq import RabbitmqBroker

import measured

THREADS = measured.jobs_at_a_time(32)

# It has no setting for quorum queues: the virtual host in the URL makes all of its queues so.
broker = RabbitmqBroker(url=measured.URL, confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="step")
def step(item, number):
    measured.finish(item, number)


def publish(items):
    def one(item):
        steps = [
            step.message_with_options(args=(item, number), pipe_ignore=True)
            for number in range(measured.STEPS)
        ]
        dramatiq.pipeline(steps).run()

    measured.in_threads(8, items, one)


def unfinished():
    with pika.BlockingConnection(pika.URLParameters(measured.URL)) as connection:
        channel = connection.channel()
        return sum(
            channel.queue_declare(queue=queue, passive=True).method.message_count
            for queue in ["default", "default.DQ", "default.XQ"]
        )


if __name__ == "__main__":
    measured.measure(
        dramatiq.__version__,
        f"pipeline of 4; quorum queue, confirms; {measured.PROCESSES} processes of {THREADS} threads",
        [
            [sys.executable, "-m", "dramatiq", "with_dramatiq", "--path", measured.HERE]
            + ["--processes", str(measured.PROCESSES), "--threads", str(THREADS)]
        ],
        publish,
        unfinished,
    )

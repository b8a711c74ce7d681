"""Celery: a chain of four tasks over a quorum queue, each message confirmed and acknowledged after its task has run."""

import sys

import celery
from kombu import Connection

import measured

# Two processes are one a core; each waits for the confirm of what it publishes, so there are more.
CONCURRENCY = measured.PROCESSES * measured.jobs_at_a_time(4)
PREFETCH = 64

app = celery.Celery("with_celery", broker=measured.URL)
app.conf.update(
    task_default_queue_type="quorum",
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    # "Optimizing": a large number where tasks are short.
    worker_prefetch_multiplier=PREFETCH,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    broker_pool_limit=8,
)


@app.task(name="step")
def step(item, number):
    measured.finish(item, number)


def publish(items):
    def one(item):
        celery.chain(*(step.si(item, number) for number in range(measured.STEPS))).apply_async()

    measured.in_threads(8, items, one)


def unfinished():
    with Connection(measured.URL) as connection:
        channel = connection.default_channel
        return channel.queue_declare(queue=app.conf.task_default_queue, passive=True).message_count


if __name__ == "__main__":
    measured.measure(
        celery.__version__,
        f"chain of 4; quorum queue, confirms, acks late; {CONCURRENCY} prefork processes, prefetch {PREFETCH} each",
        [
            [sys.executable, "-m", "celery", "-A", "with_celery", "worker", "--loglevel", "WARNING"]
            + ["--concurrency", str(CONCURRENCY)]
            + ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        ],
        publish,
        unfinished,
    )

"""DBOS: a workflow of four steps on PostgreSQL, taken from a queue."""

import os
import sys
import threading
from importlib.metadata import version

from dbos import DBOS, DBOSClient
from sqlalchemy.engine import make_url

import measured

CONCURRENCY = measured.jobs_at_a_time(50)
POLLING = 0.05
DATABASE = make_url(measured.URL).set(database="dbos").render_as_string(hide_password=False)


@DBOS.step()
def step(item, number):
    measured.finish(item, number)


@DBOS.workflow(name="item")
def workflow(item):
    for number in range(measured.STEPS):
        step(item, number)


def work():
    DBOS(
        config={
            "name": "peer",
            "system_database_url": DATABASE,
            # Each process counts its own workflows by this.
            "executor_id": "worker-" + os.environ["PEER_WORKER"],
            "application_version": "1",
            "log_level": "WARNING",
            "max_executor_threads": CONCURRENCY,
        }
    )
    DBOS.launch()
    DBOS.register_queue("items", worker_concurrency=CONCURRENCY, polling_interval_sec=POLLING)
    threading.Event().wait()


def main():
    DBOS(config={"name": "peer", "system_database_url": DATABASE, "application_version": "1", "log_level": "WARNING"})
    DBOS.launch()
    DBOS.destroy()
    client = DBOSClient(system_database_url=DATABASE, application_name="peer", system_database_pool_size=10)
    client.register_queue("items", worker_concurrency=CONCURRENCY, polling_interval_sec=POLLING)

    def publish(items):
        options = {"queue_name": "items", "workflow_name": "item", "app_version": "1"}
        measured.in_threads(8, items, lambda item: client.enqueue(options, item))

    def unfinished():
        return len(client.list_queued_workflows(load_input=False))

    measured.measure(
        version("dbos"),
        f"a workflow of 4 steps from a queue; {measured.PROCESSES} processes of {CONCURRENCY} workflows at a time, "
        f"polling every {POLLING} s",
        [[sys.executable, __file__, "work"]] * measured.PROCESSES,
        publish,
        unfinished,
    )
    client.destroy()


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        work()
    else:
        main()

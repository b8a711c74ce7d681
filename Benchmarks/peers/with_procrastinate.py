"""Procrastinate: four jobs an item on PostgreSQL; each defers the next, because it has no chains."""

import sys

import procrastinate
import psycopg
from psycopg.conninfo import make_conninfo

import measured

CONCURRENCY = measured.jobs_at_a_time(10)
DATABASE = make_conninfo(measured.URL, dbname="procrastinate")

# "Mind the size of your PostgreSQL pool": where jobs are short, one connection each and one more.
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=DATABASE, min_size=4, max_size=CONCURRENCY + 1)
)


@app.task(name="step")
async def step(item, number):
    measured.finish(item, number)
    if number + 1 < measured.STEPS:
        await step.defer_async(item=item, number=number + 1)


def publish(items):
    for start in range(0, len(items), 500):
        step.batch_defer(*({"item": item, "number": 0} for item in items[start : start + 500]))


def unfinished():
    with psycopg.connect(DATABASE) as connection:
        query = "SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'"
        return connection.execute(query).fetchone()[0]


def main():
    with psycopg.connect(measured.URL, autocommit=True) as connection:
        connection.execute("CREATE DATABASE procrastinate")
    with app.open():
        app.schema_manager.apply_schema()
        measured.measure(
            procrastinate.__version__,
            f"4 jobs, each defers the next; {measured.PROCESSES} workers of {CONCURRENCY} jobs at a time",
            [
                [sys.executable, "-m", "procrastinate", "--app", "with_procrastinate.app", "--log-level", "warning"]
                + ["worker", "--concurrency", str(CONCURRENCY)]
            ]
            * measured.PROCESSES,
            publish,
            unfinished,
        )


if __name__ == "__main__":
    main()

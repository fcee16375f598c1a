"""Measure a flood: how fast reports in Redis become rows, and what bare tools would need for it.

Run `.venv/bin/python -m tests.bench.flood`; REPORTS=1000 for a short one. A real worker of the publisher
role takes in reports of one cause, each with a log and an invocation of its own, from the embedded Redis
into SQLite. Then, against the same Redis: a bare LPUSH, BRPOP and one SQLite transaction for each report.
Prints seconds until all are counted, reports a second, the worker's resident memory, and the ratio.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil
from redis import Redis

from app.core import redis
from app.core.queue import Bell, Queue
from app.core.reports import Failure
from app.core.settings import load

REPORTS = int(os.environ.get("REPORTS", "10000"))
LOG = """\
greeter[{pid}]: listening on 127.0.0.1:8080
greeter[{pid}]: Traceback (most recent call last):
greeter[{pid}]:   File "/srv/greeter/app.py", line 12, in <module>
greeter[{pid}]:     greet(names[index])
greeter[{pid}]: IndexError: list index out of range
systemd[1]: greeter.service: Main process exited, code=exited, status=1/FAILURE
systemd[1]: greeter.service: Failed with result 'exit-code'.
"""


def report(number: int) -> Failure:
    """Return the report of one invocation."""
    return Failure(
        project="greeter",
        unit="greeter.service",
        host=f"pi{number % 5}",
        exit_status="1",
        invocation=f"{number:032x}",
        log=LOG.format(pid=1000 + number),
    )


async def main() -> None:
    """Measure and print."""
    place = Path(tempfile.mkdtemp(prefix="pm-bench-", dir="/var/tmp"))
    try:
        config = place / "pimainteno.toml"
        config.write_text(
            f'state_dir = "{place}/state"\n[forges.here]\nkind = "local"\n[projects.greeter]\n'
            f'forge = "here"\nrepo = "{place}/none.git"\nunits = ["greeter.service"]\n'
        )
        async with redis.running(load(config, env={})) as url:
            ours = await _ours(place, config, url)
            bare = await asyncio.to_thread(_bare, place, url)
        print(f"bare redis-py and sqlite3: {bare:.1f} s, {REPORTS / bare:.0f} reports/s")
        print(f"ratio: {ours / bare:.1f}")
    finally:
        shutil.rmtree(place)


async def _ours(place: Path, config: Path, url: str) -> float:
    began = time.monotonic()
    async with Bell(url) as bell:
        for number in range(REPORTS):
            await bell.failure(report(number))
    print(f"sent {REPORTS} reports in {time.monotonic() - began:.1f} s")
    return await asyncio.to_thread(_worked_off, place, config, url)


def _worked_off(place: Path, config: Path, url: str) -> float:
    argv = [sys.executable, "-m", "app.cli", "--config", str(config), "worker", "--role", "publisher"]
    with (place / "worker.log").open("w") as log:
        worker = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        while not (before := _counted(place)):
            time.sleep(0.02)
        began = time.monotonic()
        while (counted := _counted(place)) < REPORTS:
            assert worker.poll() is None, (place / "worker.log").read_text()
            time.sleep(0.05)
        seconds = time.monotonic() - began
        client = Redis(unix_socket_path=url.removeprefix("unix://"))
        while client.zcard(Queue.REPORTS):
            time.sleep(0.05)
        empty = time.monotonic() - began
        memory = psutil.Process(worker.pid).memory_info().rss / 1e6
        print(f"counted {counted} in {seconds:.1f} s: {(counted - before) / seconds:.0f} reports/s")
        print(f"queue empty after {empty:.1f} s; resident memory of the worker: {memory:.0f} MB")
        print(f"events: {_rows(place, 'select count(*) from events')}, ", end="")
        print(f"runs: {_rows(place, 'select count(*) from runs')}")
    finally:
        worker.terminate()
        worker.wait()
    return seconds


def _counted(place: Path) -> int:
    return _rows(place, "select coalesce(sum(count), 0) from incidents")


def _rows(place: Path, query: str) -> int:
    try:
        with closing(sqlite3.connect(f"file:{place}/state/pimainteno.sqlite3?mode=ro", uri=True)) as database:
            return int(database.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # the worker has not made it yet


def _bare(place: Path, url: str) -> float:
    client = Redis(unix_socket_path=url.removeprefix("unix://"))
    with closing(sqlite3.connect(place / "bare.sqlite3", isolation_level=None)) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=normal")
        database.execute("create table reports (id integer primary key, body text)")
        began = time.monotonic()
        for number in range(REPORTS):
            client.lpush("bare", report(number).model_dump_json())
        for _ in range(REPORTS):
            _, body = client.brpop(["bare"])  # type: ignore[misc]
            database.execute("insert into reports (body) values (?)", (body.decode(),))
        return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

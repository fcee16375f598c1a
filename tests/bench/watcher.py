"""Measure the watcher: from a unit's failure to its report in Redis.

Run `.venv/bin/python -m tests.bench.watcher` as root. A real systemd boots in namespaces of its own; the
watcher and the bare script below both listen to it, each with a Redis list or queue of its own in one
server. Units fail in turn; a report's moment is the one at which Redis has it. `settle_s` is 0. Prints
medians, the ratio, and the watcher's resident memory after a hundred reports.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from redis import Redis

from app.core.queue import Queue
from app.core.redis import server_binary
from tests.doubles.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 50
REPORTS = 100

BARE = """
import asyncio, sys
from dbus_next import Message
from dbus_next.aio import MessageBus
from redis import Redis

async def main(address, url, systemd="org.freedesktop.systemd1"):
    bus, redis = await MessageBus(bus_address=address).connect(), Redis.from_url(url)
    await bus.call(Message("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "AddMatch", signature="s",
        body=["type='signal',interface='org.freedesktop.DBus.Properties',sender='" + systemd + "'"]))
    await bus.call(Message(systemd, "/org/freedesktop/systemd1", systemd + ".Manager", "Subscribe"))
    def heard(message):
        if message.member == "PropertiesChanged" and "ActiveState" in message.body[1]:
            if message.body[1]["ActiveState"].value == "failed":
                redis.lpush("bare", message.path)
    bus.add_message_handler(heard)
    await bus.wait_for_disconnect()

asyncio.run(main(*sys.argv[1:]))
"""
"""What PiMainteno is compared with: no log, no facts, no project, and what it misses is lost."""


def main() -> None:
    """Measure and print."""
    place = Path(tempfile.mkdtemp(prefix="pm-bench-", dir="/var/tmp"))
    started: list[subprocess.Popen[bytes]] = []
    try:
        with Machine() as machine:
            url = f"unix://{place}/redis.sock"
            argv = [str(server_binary()), "--port", "0", "--unixsocket", f"{place}/redis.sock", "--save", ""]
            started.append(_start(place, *argv))
            (place / "pimainteno.toml").write_text(
                f'state_dir = "{place}/state"\nredis_url = "{url}"\n[watch]\nsettle_s = 0\nticks = false\n'
                f'bus = "{machine.bus}"\njournal = "{machine.journal}"\n[forges.here]\nkind = "local"\n'
                f'[projects.bench]\nforge = "here"\nrepo = "{place}/none.git"\nunits = ["bench-*"]\n'
            )
            redis = Redis.from_url(url)
            _until((place / "redis.sock").exists)
            argv = [sys.executable, "-m", "app.cli", "--config", str(place / "pimainteno.toml"), "watch"]
            started.append(watcher := _start(place, *argv))
            started.append(_start(place, sys.executable, "-c", BARE, machine.bus, url))
            _measure(machine, redis, watcher)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
        shutil.rmtree(place)


def _start(place: Path, *argv: str) -> subprocess.Popen[bytes]:
    with (place / "log").open("ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _measure(machine: Machine, redis: Redis, watcher: subprocess.Popen[bytes]) -> None:
    warm = 0
    while not all(_waiting(redis)):  # both listen, and have imported all
        machine.fail(f"bench-warm{warm}.service")
        warm += 1
        time.sleep(0.5)
    _until(lambda: _waiting(redis)[0] == warm)  # the first ones took their time
    before, _ = _waiting(redis)
    ours: list[float] = []
    bare: list[float] = []
    for number in range(ROUNDS):
        unit = f"bench-{number}.service"
        mine, theirs = _moments(redis, machine, unit)
        failed = int(machine.show(unit, "StateChangeTimestampMonotonic")) / 1e6
        ours.append(mine - failed)
        bare.append(theirs - failed)
    for number in range(ROUNDS, REPORTS):
        machine.fail(f"bench-{number}.service")
    _until(lambda: _waiting(redis)[0] == before + REPORTS)
    _print(ours, bare, watcher)


def _moments(redis: Redis, machine: Machine, unit: str) -> tuple[float, float]:
    """Let a unit fail, and return by systemd's clock when Redis had the one and the other's report."""
    reports, bare = _waiting(redis)
    mine = theirs = 0.0
    failing = threading.Thread(target=machine.fail, args=(unit,))
    failing.start()
    deadline = time.monotonic() + 60
    while not (mine and theirs):
        now_reports, now_bare = _waiting(redis)
        mine = mine or (now_reports > reports) * time.monotonic()
        theirs = theirs or (now_bare > bare) * time.monotonic()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{unit} was not reported within a minute")
        time.sleep(0.0005)
    failing.join()
    return mine, theirs


def _waiting(redis: Redis) -> tuple[int, int]:
    """Return how many reports the watcher and the bare script have sent."""
    pipe = redis.pipeline(transaction=False)
    pipe.zcard(Queue.REPORTS)
    pipe.llen("bare")
    reports, bare = pipe.execute()
    return reports, bare


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("nothing came within a minute")
        time.sleep(0.02)


def _print(ours: list[float], bare: list[float], watcher: subprocess.Popen[bytes]) -> None:
    one, other = statistics.median(bare), statistics.median(ours)
    print(
        f"machine: {platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}"
    )
    print(f"{len(ours)} failures in turn, each heard by both")
    print(f"bare script: {one * 1000:.1f} ms (from {min(bare) * 1000:.1f} to {max(bare) * 1000:.1f})")
    print(f"PiMainteno:  {other * 1000:.1f} ms (from {min(ours) * 1000:.1f} to {max(ours) * 1000:.1f})")
    print(f"ratio: {other / one:.2f}")
    memory = psutil.Process(watcher.pid).memory_info().rss / 1e6
    print(f"resident memory of the watcher after {REPORTS} reports: {memory:.0f} MB")


if __name__ == "__main__":
    main()

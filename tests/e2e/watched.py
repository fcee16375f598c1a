"""What the tests on a real systemd share: a watcher in the house, and what it sends."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from app.core.queue import deserialize
from app.core.redis import server_binary
from app.core.reports import Failure, Recovery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.doubles.machine import Machine
    from tests.e2e.conftest import House

WAIT_S = 40


def watch(
    house: House, bus: str, journal: Path | str, *units: str, settle_s: float = 0, more: str = ""
) -> None:
    """Have the house watch that systemd: the greeter, and units of a second project."""
    patterns = ", ".join(f"'{unit}'" for unit in units)
    others = f'[projects.others]\nforge = "here"\nrepo = "{house.bare}"\nunits = [{patterns}]\n'
    section = f'[watch]\nbus = "{bus}"\njournal = "{journal}"\nsettle_s = {settle_s}\nticks = false\n'
    house.configure(project=others if units else "", more=f"{more}\n{section}")


async def started(house: House, program: list[str] | None = None) -> subprocess.Popen[bytes]:
    """Start the watcher and wait until it watches."""
    process = house.start("watch", program=program)
    await until(lambda: is_in("watching units", house))
    return process


async def is_in(text: str, house: House, times: int = 1) -> bool:
    return house.logs().count(text) >= times


async def until(
    true: Callable[[], Awaitable[object]], house: House | None = None, *, wait_s: float = WAIT_S
) -> None:
    deadline = time.monotonic() + wait_s
    while not await true():
        assert time.monotonic() < deadline, house.logs() if house else "it did not come in time"
        await asyncio.sleep(0.05)


async def sent(house: House, url: str = "") -> list[Failure | Recovery]:
    """Return the reports that wait in Redis, by the names of their units."""
    path = url.removeprefix("unix://") or str(house.state / "redis" / "redis.sock")
    found: list[Failure | Recovery] = []
    try:
        async with Redis(unix_socket_path=path) as redis:
            for key in sorted([key async for key in redis.scan_iter("arq:job:*")]):
                if key.startswith(b"arq:job:units:"):
                    continue
                job = deserialize(await redis.get(key))
                kind = Recovery if key.startswith(b"arq:job:recovered") else Failure
                found.append(kind.model_validate(job["a"][0]))
    except RedisConnectionError:  # it is only just starting
        return []
    return sorted(found, key=lambda report: report.unit)


async def reported(house: House, *units: str, url: str = "") -> dict[str, Failure | Recovery]:
    """Wait until all these units have been reported, and return every report by its unit."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = {report.unit: report for report in await sent(house, url)}
        if found.keys() >= set(units):
            return found
        assert time.monotonic() < deadline, f"not reported: {set(units) - found.keys()}\n{house.logs()}"
        await asyncio.sleep(0.05)


@contextmanager
def redis_server(folder: Path) -> Iterator[None]:
    """A Redis that is nobody's but the test's, killed at the end as by a power cut after its last write."""
    folder.mkdir(exist_ok=True)
    argv = [str(server_binary()), "--port", "0", "--unixsocket", f"{folder}/redis.sock", "--dir", str(folder)]
    server = subprocess.Popen(
        [*argv, "--appendonly", "yes", "--appendfsync", "always"], stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        server.kill()
        server.wait()


def point(bus: Path, journal: Path, machine: Machine) -> None:
    """Let the paths that a watcher was given lead to this machine: as on a host, they outlive it."""
    for link, target in ((bus, machine.bus.removeprefix("unix:path=")), (journal, str(machine.journal))):
        link.unlink(missing_ok=True)
        link.symlink_to(target)


async def failed(machine: Machine, *units: str) -> bool:
    return all(machine.show(unit, "ActiveState") == "failed" for unit in units)


async def stands(house: House, unit: str, how: str) -> bool:
    """Tell whether the store has a unit with this load state, state, state below it, and result."""
    try:
        one = f"select load || '|' || active || '|' || sub || '|' || result from units where unit = '{unit}'"
        found = house.column(f"select coalesce(({one}), '')")
    except sqlite3.OperationalError:
        return False
    return found == how


async def counted(house: House, failures: int) -> bool:
    try:
        return int(house.column("select coalesce(sum(count), 0) from incidents")) >= failures
    except sqlite3.OperationalError:  # the worker has not made the database yet
        return False

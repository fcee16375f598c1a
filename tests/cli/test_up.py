"""`up` with its real parts: they start together and end together, whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.commands.following import until
from app.core import redis
from app.core.queue import Bell, Queue
from app.core.settings import load

if TYPE_CHECKING:
    import subprocess

    from tests.cli.conftest import Command


def parts(command: Command) -> dict[str, int]:
    """The process ids of all that runs with this configuration, by the part that each is."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes().decode().split("\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if str(command.config) in argv:
            found[argv[argv.index(str(command.config)) + 1]] = int(entry.name)
        elif argv and "server" in argv[0] and _cwd(entry).startswith(str(command.home)):
            found["redis"] = int(entry.name)
    return found


def _cwd(entry: Path) -> str:
    try:
        return os.readlink(entry / "cwd")  # noqa: PTH115 - a kernel's link, not a path to resolve
    except OSError:
        return ""


async def _until_parts(command: Command, wanted: set[str]) -> None:
    async def there() -> bool:
        return set(parts(command)) == wanted

    async with asyncio.timeout(30):
        await until(there)


async def _up(command: Command) -> subprocess.Popen[bytes]:
    """Start `up`, and return once its worker is at work."""
    process = command.start("up")
    settings = load(command.config, env={})
    async with redis.running(settings) as url, Bell(url) as bell, asyncio.timeout(30):
        await until(lambda: bell.has_worker(Queue.REPORTS))
    await _until_parts(command, {"up", "web", "worker", "watch", "redis"})
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_all_gracefully(command: Command, number: signal.Signals) -> None:
    process = await _up(command)
    process.send_signal(number)
    ended = await command.ends(process)
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err
    assert parts(command) == {}


async def test_when_one_ends_the_others_are_ended(command: Command) -> None:
    process = await _up(command)
    os.kill(parts(command)["watch"], signal.SIGKILL)
    ended = await command.ends(process)
    assert ended.code == 1
    assert "pimainteno: watch ended by itself (killed by SIGKILL): ending the others" in ended.err
    assert parts(command) == {}


async def test_no_part_outlives_a_killed_up(command: Command) -> None:
    process = await _up(command)
    process.kill()
    await asyncio.to_thread(process.wait)
    await _until_parts(command, set())


async def test_a_second_up_says_so_and_ends(command: Command) -> None:
    first = await _up(command)
    second = await command.run("up")
    assert second.code == 1
    assert second.err.startswith("pimainteno: another `pimainteno up` has state_dir")
    assert second.err.count("\n") == 1
    assert first.poll() is None
    first.send_signal(signal.SIGTERM)
    assert (await command.ends(first)).code == 0

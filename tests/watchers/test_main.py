"""`pimainteno watch` as a process, with a real Redis that comes and goes."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from app.commands.following import until
from app.core import redis
from app.core.redis import server_binary
from app.core.settings import load
from tests.cli.conftest import Command, queued

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.core.settings import Settings


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """The command, on a host where it is about noon: the tick of today is due, wherever its place is."""
    east = 12 - datetime.now(UTC).hour
    monkeypatch.setenv("TZ", f"Etc/GMT{-east:+d}")  # POSIX counts west
    made = Command(place)
    yield made
    made.stop()


def configure(command: Command, *, redis_url: str = "") -> Settings:
    """Configure daily ticks at midnight and return the settings."""
    command.configure(redis_url=redis_url)
    text = command.config.read_text().replace("ticks = false", 'scan_at = "00:00"')
    command.config.write_text(text)
    return load(command.config, env={})


async def test_the_tick_of_today_is_sent_once(command: Command) -> None:
    settings = configure(command)
    async with redis.running(settings) as url:
        watching = [command.start("watch"), command.start("watch")]
        async with asyncio.timeout(30):
            await until(lambda: queued(url))
        await asyncio.sleep(1)  # both have sent theirs by now
        (tick,) = await queued(url)
        assert tick["project"] == "greeter"
        assert tick["id"] == f"greeter:{tick['day']}"
        assert (
            datetime.now().astimezone().date() - datetime.fromisoformat(str(tick["day"])).date()
        ).days <= 1
        for process in watching:
            process.send_signal(signal.SIGTERM)
            ended = await command.ends(process)
            assert ended.code == 0
            assert "Traceback" not in ended.err


async def test_without_ticks_it_says_that_there_is_nothing_to_do(command: Command) -> None:
    command.configure()
    process = command.start("watch")
    assert process.stderr is not None
    line = await asyncio.to_thread(process.stderr.readline)
    assert b"nothing to do" in line
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert (await command.ends(process)).code == 0


async def test_with_redis_away_the_tick_waits_for_it(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"redis://127.0.0.1:{port}"
    configure(command, redis_url=url)
    process = command.start("watch")
    assert process.stderr is not None
    while b"ticks wait" not in await asyncio.to_thread(process.stderr.readline):
        assert process.poll() is None
    with _server(port, command.home):
        async with asyncio.timeout(30):
            await until(lambda: _queued_or_nothing(url))
    process.send_signal(signal.SIGTERM)
    assert (await command.ends(process)).code == 0


async def _queued_or_nothing(url: str) -> list[dict[str, object]]:
    try:
        return await queued(url)
    except (OSError, RedisError):
        return []


@contextmanager
def _server(port: int, folder: Path) -> Iterator[None]:
    argv = [
        str(server_binary()),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        "--save",
        "",
    ]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as server:
        try:
            yield
        finally:
            server.terminate()

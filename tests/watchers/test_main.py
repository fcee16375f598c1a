"""`pimainteno watch` as a process, with a real Redis that comes and goes."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
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
    from tests.doubles.machine import Machine


NOWHERE = "unix:path=/nowhere"


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


async def test_without_ticks_and_units_it_says_that_there_is_nothing_to_do(command: Command) -> None:
    command.configure()
    without = command.config.read_text().replace(
        'units = ["greeter.service", "greeter-*.timer"]', "units = []"
    )
    command.config.write_text(without)
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


async def test_without_a_bus_it_says_what_to_do_and_ticks_go_on(command: Command) -> None:
    settings = configure(command)
    command.config.write_text(command.config.read_text().replace("[watch]", f'[watch]\nbus = "{NOWHERE}"'))
    async with redis.running(settings) as url:
        process = command.start("watch")
        async with asyncio.timeout(30):
            await until(lambda: queued(url))
        process.send_signal(signal.SIGTERM)
        ended = await command.ends(process)
        assert ended.code == 0
        assert "nowhere cannot be reached" in ended.err
        assert "start it (systemctl start dbus" in ended.err


async def test_a_failure_is_a_report_and_memory_stays_small(command: Command, machine: Machine) -> None:
    """A hundred failures, a restart, a Redis that was away: each is one report, and SIGTERM ends promptly."""
    settings = watching(command, machine, units="main-*.service")
    process = command.start("watch")
    await watches(process)
    async with redis.running(settings) as url:
        for number in range(100):
            await asyncio.to_thread(machine.fail, f"main-{number}.service")
        await reported(url, 100)
        one = next(report for report in await queued(url) if report["unit"] == "main-7.service")
        assert "boom" in str(one["log"])
        assert (one["project"], one["result"], one["exit_status"]) == ("greeter", "exit-code", "3")
        assert one["invocation"] == machine.show("main-7.service", "InvocationID")
        assert one["host"] == socket.gethostname()
        assert one["systemd"]
        assert one["memory_peak"] is None or isinstance(one["memory_peak"], int)
        memory = psutil.Process(process.pid).memory_info().rss
        assert memory <= 60e6, f"{memory / 1e6:.0f} MB"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert (await command.ends(process)).code == 0
        assert time.monotonic() - began < 5


async def test_each_round_of_a_fast_loop_is_the_same_failure(command: Command, machine: Machine) -> None:
    """journald files lines of a process that was gone at once without its invocation: they are found too."""
    machine.unit(
        "whirl.service",
        "[Unit]\nStartLimitBurst=20\nStartLimitIntervalSec=600\n"
        "[Service]\nExecStart=/bin/sh -c 'echo boom >&2; exit 3'\nRestart=always\nRestartSec=20ms\n",
    )
    settings = watching(command, machine, units="whirl.service")
    async with redis.running(settings) as url:
        await watches(command.start("watch"))
        await asyncio.to_thread(machine.run, "systemctl", "start", "whirl.service")
        async with asyncio.timeout(60):
            await until(lambda: counts(url, 20))
        reports = await queued(url)
        assert len({report["invocation"] for report in reports}) == len(reports) == 20
        assert {report["result"] for report in reports} == {"exit-code"}
        assert [str(report["log"]).count("boom") for report in reports] == [1] * 20


async def watches(process: subprocess.Popen[bytes]) -> None:
    """Wait until the watcher says that it watches."""
    assert process.stderr is not None
    while b"watching units" not in await asyncio.to_thread(process.stderr.readline):
        assert process.poll() is None


async def counts(url: str, reports: int) -> bool:
    return len(await queued(url)) >= reports


async def test_reports_wait_while_redis_is_away_and_over_a_kill(command: Command, machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"redis://127.0.0.1:{port}"
    settings = watching(command, machine, units="spooled.service", redis_url=url)
    await asyncio.to_thread(machine.fail, "spooled.service")
    process = command.start("watch")
    async with asyncio.timeout(30):
        await until(lambda: kept(settings))
    process.kill()
    await command.ends(process)
    machine.run("systemctl", "reset-failed", "spooled.service")
    command.start("watch")
    with _server(port, command.home):
        async with asyncio.timeout(60):
            await until(lambda: _queued_or_nothing(url))
        reports = await queued(url)
        assert "spooled.service" in [report["unit"] for report in reports]
        async with asyncio.timeout(30):
            await until(lambda: sent(settings))


def watching(command: Command, machine: Machine, *, units: str, redis_url: str = "") -> Settings:
    """Configure a host that only watches, those units alone, its failures reported at once."""
    command.configure(redis_url=redis_url)
    where = f'[watch]\nbus = "{machine.bus}"\njournal = "{machine.journal}"\nsettle_s = 0\n'
    text = (
        command.config.read_text()
        .replace("[watch]\n", where)
        .replace('units = ["greeter.service", "greeter-*.timer"]', f'units = ["{units}"]')
    )
    command.config.write_text(text)
    return load(command.config, env={})


async def reported(url: str, count: int) -> None:
    """Wait until that many of our units have been reported."""
    async with asyncio.timeout(60):
        await until(lambda: has(url, count))


async def has(url: str, count: int) -> bool:
    return len({report["unit"] for report in await queued(url)}) >= count


async def kept(settings: Settings) -> bool:
    return bool(list(settings.paths.watch.glob("*.json")))


async def sent(settings: Settings) -> bool:
    return not await kept(settings)


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

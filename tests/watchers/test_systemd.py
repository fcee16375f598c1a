"""The D-Bus client against a real bus: with the machine's systemd, and with one that misbehaves."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from app.commands.following import until
from app.core.errors import WatchError
from tests.watchers.bus import PlayedSystemd
from watchers import systemd
from watchers.systemd import MANAGER, Systemd
from watchers.units import (
    TYPE_PROPERTIES,
    UNIT_PROPERTIES,
    Phase,
    Unit,
    name_at,
    path_of,
    phase,
    round_of,
    type_interface,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.doubles.machine import Machine
    from tests.watchers.bus import Daemon

ODD = "odd:b-c_d.e\\x20f@1.service"


async def failed(manager: Systemd, unit: str) -> bool:
    return any(row.name == unit and row.active == "failed" for row in await manager.units_like([unit]))


class Heard:
    """The units that signals told of."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}
        self.news = asyncio.Event()

    def __call__(self, path: str, properties: Mapping[str, object], _: str) -> None:
        name = name_at(path)
        self.units.setdefault(name, Unit(name)).hear(properties)
        self.news.set()

    async def failed(self, name: str) -> Unit:
        async with asyncio.timeout(30):
            while name not in self.units or phase(self.units[name]) is not Phase.FAILED:
                self.news.clear()
                await self.news.wait()
        return self.units[name]


async def test_a_real_failure_is_heard_with_its_facts(machine: Machine) -> None:
    heard = Heard()
    async with Systemd.connected(machine.bus) as manager:
        await manager.subscribe(heard)
        await asyncio.to_thread(machine.fail, ODD)
        unit = await heard.failed(ODD)
        found = round_of(unit)
        assert (found.result, found.exit_status, found.restarts) == ("exit-code", "3", 0)
        assert found.invocation == machine.show(ODD, "InvocationID")
        assert manager.version.startswith(machine.run("systemctl", "--version").stdout.split()[1])
        assert await manager.units_like([ODD]) == [(ODD, "loaded", "failed", "failed")]
        assert await manager.units_like(["od?:b-*@[!2].service", "nothing-*"]) == [
            (ODD, "loaded", "failed", "failed")
        ]


async def test_what_is_read_is_what_was_heard(machine: Machine) -> None:
    machine.fail("read.service", "kill -SEGV $$$$")
    async with Systemd.connected(machine.bus) as manager:
        heard = Heard()
        await manager.subscribe(heard)
        async with asyncio.timeout(30):
            await until(lambda: failed(manager, "read.service"))
        unit, typed = Unit("read.service"), type_interface("read.service")
        assert typed is not None
        unit.hear(await manager.read(path_of(unit.name), f"{MANAGER}.Unit", UNIT_PROPERTIES))
        unit.hear(await manager.read(path_of(unit.name), typed, TYPE_PROPERTIES))
        found = round_of(unit)
        assert found.result in {"signal", "core-dump"}
        assert found.exit_status == "SIGSEGV"
        assert found.invocation == machine.show("read.service", "InvocationID")


async def test_subscribing_again_is_fine_and_a_reload_is_told(machine: Machine) -> None:
    async with Systemd.connected(machine.bus) as manager:
        await manager.subscribe(Heard())
        await manager.subscribe(Heard())
        await asyncio.to_thread(machine.run, "systemctl", "daemon-reload")
        async with asyncio.timeout(30):
            await manager.stale(60)


async def test_a_property_that_is_not_there_is_left_out(daemon: Daemon) -> None:
    async with PlayedSystemd().on(daemon.address) as played, Systemd.connected(daemon.address) as manager:
        played.units["a.service"] = {"ActiveState": "failed", "SubState": "failed", "Result": "signal"}
        typed = f"{MANAGER}.Service"
        found = await manager.read(path_of("a.service"), typed, ("Result", "MemoryPeak", "NRestarts"))
        assert found == {"Result": "signal"}


async def test_a_bus_that_dies_ends_each_call(daemon: Daemon) -> None:
    async with PlayedSystemd().on(daemon.address) as played, Systemd.connected(daemon.address) as manager:
        await manager.subscribe(Heard())
        played.silent = True
        asked = asyncio.ensure_future(manager.units_like(["*"]))
        await asyncio.sleep(0)
        daemon.stop()
        async with asyncio.timeout(5):
            with pytest.raises(WatchError, match="closed the connection"):
                await asked
            with pytest.raises(WatchError):
                await manager.stale(60)
            with pytest.raises(WatchError):
                await manager.units_like(["*"])


async def test_a_systemd_that_hangs_is_no_systemd(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "CALL_S", 0.3)
    async with PlayedSystemd().on(daemon.address) as played, Systemd.connected(daemon.address) as manager:
        await manager.subscribe(Heard())
        played.silent = True
        with pytest.raises(WatchError, match="gave no answer in"):
            await manager.units_like(["*"])
        with pytest.raises(WatchError, match="gave no answer in"):
            await manager.stale(0.1)


async def test_a_systemd_that_comes_back_is_told(daemon: Daemon) -> None:
    async with Systemd.connected(daemon.address) as manager:
        async with PlayedSystemd().on(daemon.address):
            await manager.subscribe(Heard())
        async with PlayedSystemd().on(daemon.address) as second:
            async with asyncio.timeout(5):
                await manager.stale(60)
            heard = Heard()
            await manager.subscribe(heard)
            await second.fails("a.service", "aa")
            assert (await heard.failed("a.service")).invocation == "aa"


async def test_a_signal_in_systemds_name_is_no_news(daemon: Daemon) -> None:
    async with (
        PlayedSystemd().on(daemon.address) as real,
        Systemd.connected(daemon.address) as manager,
        PlayedSystemd().on(daemon.address) as liar,  # the name is taken
    ):
        heard = Heard()
        await manager.subscribe(heard)
        await liar.fails("lie.service", "bb")
        await real.fails("a.service", "aa")
        await heard.failed("a.service")
        assert "lie.service" not in heard.units


async def test_no_bus_says_what_to_do(place: Path) -> None:
    address = f"unix:path={place}/nowhere"
    with pytest.raises(
        WatchError, match=r"nowhere cannot be reached \(.*\): start it \(systemctl start dbus"
    ):
        async with Systemd.connected(address):
            pass


@pytest.mark.parametrize("address", ["tcp:host=127.0.0.1,port=1", "nonsense:x", "unix:path"])
async def test_an_address_that_is_none_is_a_clear_line(address: str) -> None:
    with pytest.raises(WatchError, match="cannot be reached"):
        async with Systemd.connected(address):
            pass


async def test_what_closes_at_once_is_no_bus(place: Path) -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(close, place / "closes"):
        with pytest.raises(WatchError, match="cannot be reached"):
            async with asyncio.timeout(5), Systemd.connected(f"unix:path={place}/closes"):
                pass


async def test_what_says_nothing_is_no_bus(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "CALL_S", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place / "silent"))
        silent.listen()
        with pytest.raises(WatchError, match="no answer"):
            async with Systemd.connected(f"unix:path={place}/silent"):
                pass


async def test_no_rights_says_so(daemon: Daemon) -> None:
    async with PlayedSystemd().on(daemon.address) as played, Systemd.connected(daemon.address) as manager:
        played.denied = "Subscribe"
        with pytest.raises(WatchError, match=r"does not let user \d+ call Subscribe .*policy"):
            await manager.subscribe(Heard())


async def test_a_bus_without_systemd_says_so(daemon: Daemon) -> None:
    async with Systemd.connected(daemon.address) as manager:
        with pytest.raises(WatchError, match="has no systemd"):
            await manager.subscribe(Heard())

"""From a bus to what is reported, through each absence of the bus and of systemd."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from app.commands.following import until
from app.core.settings import ProjectSettings, Settings, WatchSettings
from tests.watchers.bus import Daemon, PlayedSystemd
from watchers import watching
from watchers.post import Post
from watchers.present import Present
from watchers.settle import Recovered
from watchers.spool import Spool
from watchers.watching import Watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from watchers.systemd import Systemd
    from watchers.units import Round

BACK = {"ActiveState": "active", "SubState": "running", "Result": "success"}


async def come(what: bool) -> bool:
    return what


class Taken:
    """Takes what a reporter would."""

    def __init__(self) -> None:
        self.outcomes: list[Round | Recovered] = []
        self.systemd: Systemd | None = None

    def put(self, outcome: Round | Recovered) -> None:
        self.outcomes.append(outcome)

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        return [
            (each.unit, each.invocation, each.result)
            for each in self.outcomes
            if not isinstance(each, Recovered)
        ]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            await until(lambda: come(len(self.outcomes) >= count))


@asynccontextmanager
async def watched(place: Path, address: str, *, settle_s: float = 0) -> AsyncIterator[Taken]:
    settings = Settings(
        state_dir=place,
        watch=WatchSettings(bus=address, settle_s=settle_s),
        projects={"greeter": ProjectSettings(forge="here", repo="x", units=("*.service", "*.timer"))},
    )
    taken = Taken()
    present = Present(settings, Post(Spool(place / "watch")))
    task = asyncio.create_task(Watching(settings, taken, present).run())
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def subscribed(played: PlayedSystemd, times: int = 1) -> None:
    async with asyncio.timeout(30):
        await until(lambda: come(played.asked.count("ListUnitsByPatterns") >= times))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BACK_OFF_S", (0.05,))


async def test_what_failed_before_and_what_fails_then(daemon: Daemon, place: Path) -> None:
    played = PlayedSystemd()
    await_before = {"ActiveState": "failed", "SubState": "failed", "InvocationID": b"\x01"}
    played.units["old.service"] = await_before | {"Result": "timeout"}
    played.units["nobodys.mount"] = await_before
    async with played.on(daemon.address), watched(place, daemon.address) as taken:
        await taken.until(1)
        await played.fails("nobodys.mount", "09")
        await played.fails("new.service", "02")
        await taken.until(2)
        assert taken.failures == [("old.service", "01", "timeout"), ("new.service", "02", "exit-code")]


async def test_a_loop_that_never_says_failed_counts_each_round(daemon: Daemon, place: Path) -> None:
    played = PlayedSystemd()
    async with played.on(daemon.address), watched(place, daemon.address) as taken:
        await subscribed(played)
        for number in range(1, 6):
            state = {"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": number}
            await played.fails("loop.service", f"{number:02x}", **state)
            await played.says("loop.service", InvocationID=bytes([number + 1]), **BACK)
        limit = {"Result": "start-limit-hit", "InvocationID": b"\x05"}
        await played.says("loop.service", **(BACK | limit | {"ActiveState": "inactive", "SubState": "dead"}))
        await played.fails("loop.service", "05", Result="start-limit-hit")
        await played.fails("end.service", "ee")
        await taken.until(6)
        rounds = [("loop.service", f"{number:02x}", "exit-code") for number in range(1, 6)]
        assert taken.failures == [*rounds, ("end.service", "ee", "exit-code")]


async def test_a_systemd_without_the_properties_is_enough(daemon: Daemon, place: Path) -> None:
    played = PlayedSystemd(version="230")
    played.units["bare.timer"] = {"ActiveState": "failed", "SubState": "failed"}
    async with played.on(daemon.address), watched(place, daemon.address) as taken:
        await taken.until(1)
        assert taken.failures == [("bare.timer", "", "failed")]


async def test_the_bus_goes_and_comes(daemon: Daemon, place: Path) -> None:
    played = PlayedSystemd()
    async with watched(place, daemon.address) as taken:
        async with played.on(daemon.address):
            await subscribed(played)
            await played.fails("first.service", "01")
            await taken.until(1)
            daemon.stop()
        await daemon.start()
        played.units["meanwhile.service"] = played.units["first.service"] | {"InvocationID": b"\x02"}
        async with played.on(daemon.address):
            await taken.until(2)
            await played.fails("last.service", "03")
            await taken.until(3)
    assert [unit for unit, _, _ in taken.failures] == ["first.service", "meanwhile.service", "last.service"]


async def test_systemd_goes_and_comes_on_a_bus_that_stays(daemon: Daemon, place: Path) -> None:
    played = PlayedSystemd()
    async with watched(place, daemon.address) as taken:
        async with played.on(daemon.address):
            await subscribed(played)
        played.units["meanwhile.service"] = {"ActiveState": "failed", "SubState": "failed"}
        async with played.on(daemon.address):
            await taken.until(1)
            await played.fails("last.service", "03")
            await taken.until(2)
            await played.reloaded()
            await subscribed(played, 3)
    assert [unit for unit, _, _ in taken.failures] == ["meanwhile.service", "last.service"]


async def test_what_comes_back_in_time_is_a_recovery(daemon: Daemon, place: Path) -> None:
    played = PlayedSystemd()
    async with played.on(daemon.address), watched(place, daemon.address, settle_s=0.3) as taken:
        await subscribed(played)
        await played.fails("back.service", "01")
        await played.fails("bad.service", "02")
        await played.fails("person.service", "03")
        await played.says("back.service", InvocationID=b"\x04", **BACK)
        stopped = {"ActiveState": "inactive", "SubState": "dead", "Result": "success"}
        await played.says("person.service", **stopped)
        await taken.until(2)
        await played.fails("end.service", "05")
        await taken.until(3)
    assert [unit for unit, _, _ in taken.failures] == ["bad.service", "end.service"]
    (back,) = [each for each in taken.outcomes if isinstance(each, Recovered)]
    assert back.first.unit == "back.service"


async def test_what_came_back_while_the_bus_was_away_is_a_recovery(daemon: Daemon, place: Path) -> None:
    played = PlayedSystemd()
    async with watched(place, daemon.address, settle_s=1.5) as taken:
        async with played.on(daemon.address):
            await subscribed(played)
            await played.fails("back.service", "01")
            await played.reloaded()
            await subscribed(played, 2)
        played.units["back.service"] |= BACK | {"InvocationID": b"\x02"}
        async with played.on(daemon.address):
            await taken.until(1)
    assert isinstance(taken.outcomes[0], Recovered)


async def test_a_unit_on_no_bus_is_waited_for(place: Path) -> None:
    late = Daemon(place)
    async with watched(place, late.address) as taken:
        await asyncio.sleep(0.2)
        await late.start()
        try:
            async with PlayedSystemd().on(late.address) as played:
                await subscribed(played)
                await played.fails("a.service", "01")
                await taken.until(1)
        finally:
            late.stop()

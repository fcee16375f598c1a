"""How units stand: told whole, then what changes, a few times a minute at most, and only to who listens."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.commands.following import until
from app.core import redis
from app.core.queue import Bell, Queue
from app.core.settings import ProjectSettings, Settings, WatchSettings
from app.core.units import UnitStates
from tests.cli.conftest import queued, redis_client
from tests.watchers.bus import PlayedSystemd
from tests.watchers.test_watching import BACK, Taken, come
from watchers import present, watching
from watchers.post import Post
from watchers.present import Present
from watchers.spool import Spool
from watchers.systemd import Row
from watchers.units import Unit
from watchers.watching import Watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.watchers.bus import Daemon

AT_US = 1_700_000_000_000_000
FAILED = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "StateChangeTimestamp": AT_US}
DEAD = {"ActiveState": "inactive", "SubState": "dead"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BACK_OFF_S", (0.05,))
    for name, seconds in {"GATHER_S": 0.05, "APART_S": 0.3, "AGAIN_S": 0.05}.items():
        monkeypatch.setattr(present, name, seconds)


class Ear:
    """Reads what is told, and plays the worker that takes it in."""

    def __init__(self, url: str, post: Post) -> None:
        self.url, self.post = url, post

    async def listens(self, *, yes: bool = True) -> None:
        async with redis_client(self.url) as client:
            key = f"{Queue.REPORTS}:health-check"
            await (client.set(key, "here") if yes else client.delete(key))

    async def told(self) -> list[UnitStates]:
        found = [UnitStates.model_validate(message) for message in await queued(self.url)]
        return sorted(found, key=lambda report: report.sent)

    async def times(self, count: int) -> list[UnitStates]:
        async with asyncio.timeout(30):
            await until(lambda: self._has(count))
        return await self.told()

    async def _has(self, count: int) -> bool:
        return len(await self.told()) >= count


def states(report: UnitStates) -> dict[str, str]:
    return {item.unit: item.active for item in report.items}


@asynccontextmanager
async def told(place: Path, address: str, *, heard: bool = True) -> AsyncIterator[Ear]:
    settings = Settings(
        state_dir=place,
        watch=WatchSettings(bus=address, settle_s=0),
        projects={
            "greeter": ProjectSettings(forge="here", repo="x", units=("greeter.service", "greeter-*.timer")),
            "other": ProjectSettings(forge="here", repo="x", units=("other@*.service", "other@.service")),
            "both": ProjectSettings(forge="here", repo="x", units=("greeter.service",)),
        },
    )
    post = Post(Spool(place / "watch"))
    one = Present(settings, post)
    async with redis.running(settings) as url, Bell(url) as bell:
        post.bell = bell
        ear = Ear(url, post)
        if heard:
            await ear.listens()
        tasks = [
            asyncio.create_task(Watching(settings, Taken(), one).run()),
            asyncio.create_task(one.run()),
        ]
        try:
            yield ear
        finally:
            for task in tasks:
                assert not task.done()
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def played_units() -> PlayedSystemd:
    played = PlayedSystemd()
    played.units |= {
        "greeter.service": FAILED.copy(),
        "greeter-a.timer": {"ActiveState": "active", "SubState": "waiting", "LoadState": "loaded"},
        "other@1.service": DEAD.copy(),
        "nobodys.service": FAILED.copy(),
    }
    return played


async def test_at_first_all_units_of_the_projects_are_told(daemon: Daemon, place: Path) -> None:
    async with played_units().on(daemon.address), told(place, daemon.address) as ear:
        (first,) = await ear.times(1)
    assert first.full
    assert (first.host, first.bus) == (socket.gethostname(), daemon.address)
    assert sorted((item.project, item.unit, item.active, item.result) for item in first.items) == [
        ("both", "greeter.service", "failed", "exit-code"),
        ("greeter", "greeter-a.timer", "active", ""),
        ("greeter", "greeter.service", "failed", "exit-code"),
        ("other", "other@1.service", "inactive", ""),
    ]
    (failed, *_) = [item for item in first.items if item.unit == "greeter.service"]
    assert failed.since is not None
    assert failed.since.timestamp() == AT_US / 1e6


async def test_a_unit_that_is_named_but_not_there_is_told_too(daemon: Daemon, place: Path) -> None:
    """It is no loaded unit, so no list has it; systemd answers for its path all the same."""
    played = PlayedSystemd()
    played.units["greeter.service"] = DEAD | {"LoadState": "not-found"}
    played.unloaded.add("greeter.service")
    async with played.on(daemon.address), told(place, daemon.address) as ear:
        (first,) = await ear.times(1)
        await played.says("greeter.service", **BACK)
        *_, second = await ear.times(2)
    assert [(item.unit, item.load) for item in first.items] == [("greeter.service", "not-found")] * 2
    assert [(item.load, item.active) for item in second.items] == [("loaded", "active")] * 2


async def test_a_change_is_told_by_itself_and_a_repair_too(daemon: Daemon, place: Path) -> None:
    played = played_units()
    async with played.on(daemon.address), told(place, daemon.address) as ear:
        await ear.times(1)
        await played.fails("other@1.service", "01", Result="signal")
        _, failed = await ear.times(2)
        await played.says("other@1.service", **BACK)
        _, _, repaired = await ear.times(3)
    assert [(item.unit, item.active, item.result) for item in failed.items] == [
        ("other@1.service", "failed", "signal")
    ]
    assert [(item.active, item.sub, item.result) for item in repaired.items] == [("active", "running", "")]
    assert not failed.full
    assert not repaired.full


async def test_a_loop_that_waits_for_its_next_round_has_failed(daemon: Daemon, place: Path) -> None:
    played = played_units()
    async with played.on(daemon.address), told(place, daemon.address) as ear:
        await ear.times(1)
        await played.fails("other@1.service", "01", ActiveState="activating", SubState="auto-restart")
        _, told_of = await ear.times(2)
    assert [(item.active, item.result) for item in told_of.items] == [("activating", "exit-code")]


async def test_a_unit_that_flaps_floods_nothing_and_its_last_word_counts(daemon: Daemon, place: Path) -> None:
    played = played_units()
    async with played.on(daemon.address), told(place, daemon.address) as ear:
        await ear.times(1)
        began = time.monotonic()
        for number in range(100):
            await played.fails("other@1.service", f"{number:02x}")
            await played.says("other@1.service", **BACK)
        await played.fails("greeter-a.timer", "ff")
        async with asyncio.timeout(30):
            await until(lambda: _is_told(ear, "greeter-a.timer", "failed"))
        found = await ear.told()
    assert len(found) <= 2 + (time.monotonic() - began) / present.APART_S
    last = {unit: active for report in found for unit, active in states(report).items()}
    assert (last["other@1.service"], last["greeter-a.timer"]) == ("active", "failed")


async def _is_told(ear: Ear, unit: str, active: str) -> bool:
    return any(states(report).get(unit) == active for report in await ear.told())


async def test_without_anybody_who_listens_nothing_waits_and_then_all_is_told(
    daemon: Daemon, place: Path
) -> None:
    played = played_units()
    async with played.on(daemon.address), told(place, daemon.address, heard=False) as ear:
        async with asyncio.timeout(30):
            await until(lambda: come("Subscribe" in played.asked))
        await played.fails("other@1.service", "01")
        await asyncio.sleep(1)
        assert await ear.told() == []
        await ear.listens()
        (first,) = await ear.times(1)
        assert (first.full, states(first)["other@1.service"]) == (True, "failed")


async def test_while_redis_is_away_only_the_newest_is_kept(daemon: Daemon, place: Path) -> None:
    played = played_units()
    async with played.on(daemon.address), told(place, daemon.address) as ear:
        await ear.times(1)
        bell, ear.post.bell = ear.post.bell, None
        for number in range(3):
            await played.fails("other@1.service", f"0{number}")
            await played.says("other@1.service", **BACK)
            await asyncio.sleep(0.4)
        ear.post.bell = bell
        _, second = await ear.times(2)
        await asyncio.sleep(0.5)
        assert len(await ear.told()) == 2
        assert states(second) == {"other@1.service": "active"}


async def test_after_the_bus_was_away_all_is_told_anew(daemon: Daemon, place: Path) -> None:
    played = played_units()
    async with told(place, daemon.address) as ear:
        async with played.on(daemon.address):
            await ear.times(1)
            daemon.stop()
        await daemon.start()
        del played.units["other@1.service"]
        played.units["greeter.service"] = FAILED | BACK | {"StateChangeTimestamp": AT_US + 1_000_000}
        async with played.on(daemon.address):
            _, second = await ear.times(2)
    assert second.full
    assert states(second) == {"greeter.service": "active", "greeter-a.timer": "active"}
    assert {item.since.timestamp() for item in second.items if item.since} == {AT_US / 1e6 + 1}


async def test_it_is_told_again_and_again_without_reading_everything(
    daemon: Daemon, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present, "BEAT_S", 0.1)
    played = played_units()
    async with played.on(daemon.address), told(place, daemon.address) as ear:
        await ear.times(1)
        asked = len(played.asked)
        played.units.pop("other@1.service")
        async with asyncio.timeout(30):
            await until(lambda: _beats(ear, 3))
        *_, last = await ear.told()
        assert played.asked[asked:].count("Get") == 0
    assert states(last) == {"greeter.service": "failed", "greeter-a.timer": "active"}


async def _beats(ear: Ear, count: int) -> bool:
    return len([report for report in await ear.told() if report.full]) > count


class Slow:
    """A systemd that is overtaken by signals while it answers."""

    def __init__(self, one: Present) -> None:
        self.one = one

    async def units_like(self, _: Any) -> list[Row]:
        rows = [Row(f"{name}.service", "loaded", "failed", "failed") for name in "abc"]
        self.one.heard(Unit("a.service", active="active", sub="running"))
        return rows

    async def read(self, *_asked: Any) -> dict[str, object]:
        self.one.heard(Unit("b.service", active="active", sub="running"))
        await asyncio.sleep(0)
        return {"Result": "exit-code"}


@pytest.mark.parametrize("again", [False, True])
async def test_what_was_heard_while_it_was_read_is_the_newer(place: Path, again: bool) -> None:
    settings = Settings(
        state_dir=place, projects={"greeter": ProjectSettings(forge="here", repo="x", units=("*.service",))}
    )
    one = Present(settings, Post(Spool(place / "watch")))
    slow: Any = Slow(one)
    await one.look(slow, await one.loaded(slow), again=again)
    assert {item.unit: (item.active, item.result) for item in one._report(None).items} == {
        "a.service": ("active", ""),
        "b.service": ("active", ""),
        "c.service": ("failed", "exit-code"),
    }

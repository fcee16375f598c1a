"""One look at the history for all streams, on each kind of database."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING

import pytest

from app.core.errors import StoreError
from app.core.units import UnitState, UnitStates
from app.store import events, units
from app.web import hub as module
from app.web.hub import Hub, TooManyStreamsError, Topic
from tests.store.conftest import database, path, store, template, url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.store.database import Store

__all__ = ["database", "path", "store", "template", "url"]  # instead of this folder's one database


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.02)


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    hub = Hub(store)
    yield hub
    hub.close()
    await hub.ended()


async def tell(store: Store, *proposals: int, kind: str = "proposal.ci", project: str = "greeter") -> int:
    async with store.write() as tx:
        for proposal in proposals:
            last = await events.append(tx, kind, "secret words", project=project, proposal=proposal)
    return last.id


def heard(messages: bytes) -> list[tuple[int | None, int | None]]:
    """The line and the proposal of each message."""
    told = [json.loads(line[6:]) for line in messages.decode().splitlines() if line.startswith("data: ")]
    return [(each["event"], each["proposal"]) for each in told]


async def test_each_stream_hears_what_it_is_about(hub: Hub, store: Store) -> None:
    topics = [Topic(), Topic(project="greeter"), Topic(proposal=2), Topic(project="another")]
    newest = await hub.newest()
    with (
        hub.listening(topics[0], newest) as all_,
        hub.listening(topics[1], newest) as ours,
        hub.listening(topics[2], newest) as two,
        hub.listening(topics[3], newest) as other,
    ):
        last = await tell(store, 1, 2)
        expected = [(last - 1, 1), (last, 2)]
        found = await all_.next(timeout_s=10)
        assert heard(found) == expected
        assert b"secret words" not in found
        assert f"id: {last}\nevent: changed\n".encode() in found
        assert heard(await ours.next(timeout_s=10)) == expected
        assert heard(await two.next(timeout_s=10)) == expected[1:]
        assert await other.next(timeout_s=0) == b""


async def test_nothing_is_looked_at_while_nobody_listens(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = hub._look_once

    async def counted() -> None:
        looks.append(1)
        await look()

    monkeypatch.setattr(hub, "_look_once", counted)
    with hub.listening(Topic(), 0), hub.listening(Topic(), 0) as second:
        await tell(store, 1)
        assert await second.next(timeout_s=10)
        task = hub._looking
    assert task is not None
    await task
    assert hub._looking is None
    assert looks
    assert hub.listeners == 0
    last = await tell(store, 1)
    with hub.listening(Topic(), last) as later:  # what happened meanwhile is not told as new
        told = await tell(store, 2)
        assert heard(await later.next(timeout_s=10)) == [(told, 2)]


async def test_a_look_under_way_is_never_cut_short(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that is cancelled may lose its connection without closing it."""
    begun, goes_on, looked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await goes_on.wait()
        looked.set()

    monkeypatch.setattr(hub, "_look_once", slow)
    with hub.listening(Topic(), 0):
        await begun.wait()
    hub.close()
    ending = asyncio.create_task(hub.ended())
    await asyncio.sleep(0)
    assert not ending.done()
    goes_on.set()
    await ending
    assert looked.is_set()


async def test_a_database_that_went_dark_does_not_keep_the_server(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def dark() -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "ENDS_S", 0.01)
    monkeypatch.setattr(hub, "_look_once", dark)
    with hub.listening(Topic(), 0):
        await begun.wait()
    hub.close()
    async with asyncio.timeout(10):
        await hub.ended()
    assert hub._looking is None


async def test_no_connection_is_held_while_nothing_happens(hub: Hub, store: Store) -> None:
    with hub.listening(Topic(), 0):
        held = {store._engine.pool.checkedout() for _ in range(50) if await asyncio.sleep(0.002, result=True)}  # type: ignore[attr-defined]
    assert 0 in held


async def test_many_of_one_kind_are_told_once(hub: Hub, store: Store) -> None:
    with hub.listening(Topic(), 0) as listener:
        last = await tell(store, *[7] * 100)
        assert heard(await listener.next(timeout_s=10)) == [(last, 7)]


async def test_a_flood_is_told_as_a_whole(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 3)
    with hub.listening(Topic(proposal=99), 0) as listener:
        last = await tell(store, *range(1, 10))
        assert await listener.next(timeout_s=10) == b"id: %d\nevent: reload\ndata: {}\n\n" % last
        later = await tell(store, 99)
        assert heard(await listener.next(timeout_s=10)) == [(later, 99)]


async def test_what_was_missed(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await tell(store, 1)
    last = await tell(store, 2, 3, 2)
    assert heard(await hub.replayed(Topic(), after=first, upto=last)) == [(last - 1, 3), (last, 2)]
    assert heard(await hub.replayed(Topic(), after=first, upto=last - 1)) == [(last - 2, 2), (last - 1, 3)]
    assert heard(await hub.replayed(Topic(proposal=3), after=0, upto=last)) == [(last - 1, 3)]
    assert await hub.replayed(Topic(), after=last, upto=last) == b""
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    assert await hub.replayed(Topic(), after=first, upto=last) == module.reload_at(last)


async def test_who_shows_units_hears_that_they_changed(hub: Hub, store: Store) -> None:
    async def stands(sent: int, project: str, active: str) -> None:
        item = UnitState(project=project, unit="a.service", load="loaded", active=active)
        async with store.write() as tx:
            told = UnitStates(host=f"{project}-host", sent=sent, full=True, items=(item,))
            assert await units.told(tx, told)

    await stands(1, "greeter", "active")
    with (
        hub.listening(Topic(), 0, 0) as late,
        hub.listening(Topic(project="greeter"), 0, 1) as ours,
        hub.listening(Topic(project="another"), 0, 1) as other,
        hub.listening(Topic(), 0) as without,
    ):
        assert await late.next(timeout_s=10) == module.UNITS  # what changed while the page was on its way
        await stands(2, "greeter", "active")  # says nothing new
        await stands(1, "another", "active")
        assert await other.next(timeout_s=10) == module.UNITS
        assert ours.waiting == deque()
        await stands(3, "greeter", "failed")
        assert await ours.next(timeout_s=10) == module.UNITS
        assert heard(module.UNITS) == [(None, None)]
        assert b"id:" not in module.UNITS
        assert (other.waiting, without.waiting) == (deque(), deque())


async def test_one_that_takes_nothing_is_cut_off(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    with hub.listening(Topic(), 0) as listener:
        for number in range(3):
            assert not listener.slow.is_set()
            listener.give(b"%d" % number)
        assert listener.slow.is_set()
        assert await listener.next(timeout_s=0) == b"01"


async def test_all_end_when_the_server_stops(hub: Hub) -> None:
    with hub.listening(Topic(), 0) as listener:
        waiting = asyncio.create_task(listener.next(timeout_s=60))
        await asyncio.sleep(0)
        hub.close()
        assert await waiting == b""
        assert listener.over
    with hub.listening(Topic(), 0) as late:
        assert late.over
        assert hub._looking is None


async def test_streams_outlive_a_database_that_is_away(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, fails = hub._look_once, [StoreError("away"), StoreError("still away")]

    async def sometimes() -> None:
        if fails:
            raise fails.pop()
        await look()

    monkeypatch.setattr(hub, "_look_once", sometimes)
    with hub.listening(Topic(), 0) as listener:
        last = await tell(store, 1)
        assert heard(await listener.next(timeout_s=10)) == [(last, 1)]
    assert fails == []


async def test_there_is_room_for_so_many(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STREAMS", 1)
    hub.has_room()
    with hub.listening(Topic(), 0), pytest.raises(TooManyStreamsError, match="1 pages listen"):
        hub.has_room()
    hub.has_room()

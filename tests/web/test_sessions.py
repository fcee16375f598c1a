"""Sessions in the store, with clocks of our own: who is found, by which process, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from app.core.base import now
from app.core.settings import WebSettings, WebToken
from app.store import events
from app.store import sessions as table
from app.web.auth import Caller, Role
from app.web.sessions import CACHED_S, IDLE, LIFETIME, LIFETIMES, MOST_OF_ONE, Sessions
from app.web.ways import Login, Way, Ways

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.models import Event
    from app.core.settings import Settings
    from app.store.database import Store

OPERATOR = Login(Caller("token:operator", Role.OPERATOR), Way.TOKEN)
VISITOR = Login(Caller("link:pi", Role.ADMINISTRATOR), Way.LINK)


class Clock:
    """Both clocks of a process, which go together."""

    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(store: Store, settings: Settings, clock: Clock) -> Sessions:
    return process(store, settings, clock)


def process(store: Store, settings: Settings, clock: Clock, *, demo: bool = False) -> Sessions:
    """What one web process has of the sessions."""
    return Sessions(store, Ways(settings, demo=demo), now=clock, clock=clock.seconds)


def configured(settings: Settings, **tokens: WebToken) -> Settings:
    return settings.model_copy(update={"web": WebSettings(tokens=tokens)})


async def history(store: Store) -> list[Event]:
    async with store.read() as tx:
        found, _ = await events.page(tx, newest_first=False)
    return found


async def test_a_session_is_found_by_its_cookie_alone(sessions: Sessions, store: Store) -> None:
    begun = await sessions.begin(OPERATOR, peer="192.0.2.7", agent="Firefox\x1b")
    found = await sessions.find(begun.value)
    assert found == begun
    assert begun.proof.caller == OPERATOR.caller
    for other in (begun.value[:-1], "", "\ud800", None):
        assert await sessions.find(other) is None
    assert begun.value not in repr(begun) + repr(vars(sessions))
    async with store.read() as tx:
        rows = await table.listed(tx)
    assert begun.value not in repr(rows)
    assert begun.proof.csrf not in repr(rows)
    assert [(row.peer, row.agent) for row in rows] == [("192.0.2.7", "Firefox")]


async def test_it_survives_a_restart_and_holds_for_other_processes(
    sessions: Sessions, store: Store, settings: Settings, clock: Clock
) -> None:
    begun = await sessions.begin(OPERATOR)
    assert await process(store, settings, clock).find(begun.value) == begun


async def test_each_login_is_a_fresh_session_and_ends_the_one_before(sessions: Sessions) -> None:
    first = await sessions.begin(OPERATOR)
    second = await sessions.begin(OPERATOR, instead_of=first.value)
    assert first.value != second.value
    assert first.proof.csrf != second.proof.csrf
    assert await sessions.find(first.value) is None
    assert await sessions.find(second.value) == second


async def test_it_ends_when_it_is_not_used(sessions: Sessions, clock: Clock) -> None:
    value = (await sessions.begin(OPERATOR)).value
    clock.at += IDLE - timedelta(seconds=1)
    assert await sessions.find(value) is not None
    clock.at += IDLE - timedelta(seconds=1)
    assert await sessions.find(value) is not None
    clock.at += IDLE
    assert await sessions.find(value) is None


@pytest.mark.parametrize("way", [Way.LINK, Way.PROXY, Way.FORGE])
async def test_it_ends_at_last_however_much_it_is_used(
    store: Store, settings: Settings, clock: Clock, way: Way
) -> None:
    proxied = {"proxy": {"addresses": ["10.0.0.1"]}}
    oauth = {"oauth": {"hub": {"forge": "hub", "client_id": "x", "client_secret": "y"}}}
    web = WebSettings.model_validate(proxied | oauth)
    sessions = process(store, settings.model_copy(update={"web": web}), clock)
    value = (await sessions.begin(Login(Caller("alice@hub", Role.VIEWER), way))).value
    lasts = LIFETIMES.get(way, LIFETIME)
    assert lasts <= timedelta(days=7)
    end = clock.at + lasts
    while clock.at + IDLE / 2 < end:
        clock.at += IDLE / 2
        assert await sessions.find(value) is not None
    clock.at = end
    assert await sessions.find(value) is None


async def test_use_is_written_down_once_a_minute_at_most(
    sessions: Sessions, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = (await sessions.begin(OPERATOR)).value
    real, written = table.saw, 0

    async def saw(*given: object) -> None:
        nonlocal written
        written += 1
        await real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(table, "saw", saw)
    for _ in range(120):
        clock.at += timedelta(seconds=1)
        await sessions.find(value)
    assert 1 <= written <= 2


async def test_looking_is_cheap_within_one_process(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = (await sessions.begin(OPERATOR)).value
    real, reads = table.find, 0

    async def find(*given: object) -> object:
        nonlocal reads
        reads += 1
        return await real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(table, "find", find)
    for _ in range(50):
        assert await sessions.find(value) is not None
    assert reads == 0
    clock.at += timedelta(seconds=CACHED_S)
    assert await sessions.find(value) is not None
    assert reads == 1


async def test_what_another_process_has_ended_ends_here_within_seconds(
    sessions: Sessions, store: Store, settings: Settings, clock: Clock
) -> None:
    begun = await sessions.begin(OPERATOR)
    other = process(store, settings, clock)
    assert await other.find(begun.value) is not None
    assert await sessions.revoke(begun.number, by="link:pi")
    assert await sessions.find(begun.value) is None
    assert CACHED_S <= 5
    clock.at += timedelta(seconds=CACHED_S)
    assert await other.find(begun.value) is None
    assert not await sessions.revoke(begun.number, by="link:pi")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"operator": WebToken(token=SecretStr("another"), role="operator")},
        {"operator": WebToken(token=SecretStr("a-token"), role="viewer")},
        {"operator": WebToken(token=SecretStr("a-token"), role="administrator")},
    ],
)
async def test_it_ends_when_its_entry_in_the_configuration_is_another(
    store: Store, settings: Settings, clock: Clock, changed: dict[str, WebToken]
) -> None:
    before = configured(settings, operator=WebToken(token=SecretStr("a-token"), role="operator"))
    begun = await process(store, before, clock).begin(OPERATOR)
    assert await process(store, before, clock).find(begun.value) is not None
    assert await process(store, configured(settings, **changed), clock).find(begun.value) is None
    assert await process(store, before, clock).find(begun.value) is None  # for good
    last = (await history(store))[-1]
    assert (last.kind, last.data) == ("operator.session_ended", {"of": "token:operator"})
    assert "configuration" in last.text


async def test_the_demos_sessions_are_of_no_use_elsewhere(
    store: Store, settings: Settings, clock: Clock
) -> None:
    demo = process(store, settings, clock, demo=True)
    begun = await demo.begin(Login(Caller("demo", Role.OPERATOR), Way.DEMO))
    assert await demo.find(begun.value) is not None
    assert await process(store, settings, clock).find(begun.value) is None


async def test_of_one_person_the_oldest_give_way(sessions: Sessions, clock: Clock) -> None:
    another = await sessions.begin(VISITOR)
    values = [(await sessions.begin(OPERATOR)).value for _ in range(MOST_OF_ONE + 3)]
    clock.at += timedelta(seconds=CACHED_S)
    found = [await sessions.find(value) is not None for value in values]
    assert found == [False] * 3 + [True] * MOST_OF_ONE
    assert await sessions.find(another.value) is not None


async def test_what_is_over_does_not_stay_in_the_store(
    sessions: Sessions, store: Store, clock: Clock
) -> None:
    await sessions.begin(VISITOR)
    async with store.write() as tx:
        await table.add_pass(tx, "k", {}, at=clock.at, until=clock.at + timedelta(hours=1))
    clock.at += IDLE
    begun = await sessions.begin(OPERATOR)
    async with store.read() as tx:
        assert [row.id for row in await table.listed(tx)] == [begun.number]
        assert await table.look_at_pass(tx, "k", at=clock.at - IDLE) is None


async def test_ending_all_others_keeps_this_one_and_those_of_others(sessions: Sessions, store: Store) -> None:
    another = await sessions.begin(VISITOR)
    mine = [await sessions.begin(OPERATOR) for _ in range(3)]
    assert await sessions.revoke_others("token:operator", keep=mine[1].number) == 2
    assert [await sessions.find(one.value) is not None for one in (another, *mine)] == [
        True,
        False,
        True,
        False,
    ]
    assert await sessions.revoke_others("token:operator", keep=mine[1].number) == 0
    assert (await history(store))[-1].text == "token:operator ended 2 other logins of their own"


async def test_the_history_says_who_came_and_went_and_no_secret(sessions: Sessions, store: Store) -> None:
    begun = await sessions.begin(VISITOR)
    await sessions.leave(begun)
    await sessions.leave(begun)
    found = await history(store)
    assert [(event.kind, event.actor) for event in found] == [
        ("operator.login", "link:pi"),
        ("operator.logout", "link:pi"),
    ]
    assert found[0].data == {"way": "link", "role": "administrator"}
    assert begun.value not in repr(found)

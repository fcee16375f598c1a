"""The turn of each delivery: all that wait go together, and one that cannot be written takes none along."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from app.core.errors import StoreError
from app.store import deliveries
from app.store.inbox import Arrival
from app.web.inbox import MOST_AT_ONCE, Inbox

if TYPE_CHECKING:
    from app.store.database import Store, Tx


def arrival(number: int, event: str = "e") -> Arrival:
    return Arrival("hub", str(number), event, {})


@pytest.fixture
def transactions(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each transaction that was begun."""
    begun: list[object] = []
    write = store.write

    def counted() -> object:
        begun.append(None)
        return write()

    monkeypatch.setattr(store, "write", counted)
    return begun


async def test_all_that_wait_go_in_one_transaction(store: Store, transactions: list[object]) -> None:
    inbox = Inbox(store)
    await asyncio.gather(*(inbox.take(arrival(number)) for number in range(MOST_AT_ONCE)))
    assert len(transactions) == 1
    await asyncio.gather(*(inbox.take(arrival(1000 + number)) for number in range(MOST_AT_ONCE + 1)))
    assert len(transactions) == 3


async def test_what_comes_while_another_writes_goes_along(store: Store, transactions: list[object]) -> None:
    inbox = Inbox(store)
    async with store.write():
        first = asyncio.create_task(inbox.take(arrival(1)))
        while len(transactions) < 2:  # noqa: ASYNC110 - a turn of the loop
            await asyncio.sleep(0)
        second = asyncio.create_task(inbox.take(arrival(2)))
        await asyncio.sleep(0)
    await asyncio.gather(first, second)
    assert len(transactions) == 2


async def test_one_that_cannot_be_written_takes_none_along(store: Store) -> None:
    inbox = Inbox(store)
    wrong: int = object()  # type: ignore[assignment]
    poison = Arrival("hub", "poison", "e", {"x": wrong})  # type: ignore[dict-item]
    given = [arrival(1), arrival(2), poison, arrival(3)]
    results = await asyncio.gather(*(inbox.take(each) for each in given), return_exceptions=True)
    assert [isinstance(result, Exception) for result in results] == [False, False, True, False]
    assert (await inbox.take(arrival(4))).result.startswith("ignored")
    async with store.read() as tx:
        assert [await _there(tx, name) for name in ("1", "2", "3", "4", "poison")] == [True] * 4 + [False]


async def test_a_store_that_is_away_fails_all_who_wait_and_the_next_tries_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, write = Inbox(store), store.write

    def away() -> object:
        raise StoreError("The database is away")

    monkeypatch.setattr(store, "write", away)
    results = await asyncio.gather(*(inbox.take(arrival(each)) for each in range(9)), return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in results)
    monkeypatch.setattr(store, "write", write)
    assert (await inbox.take(arrival(0))).result.startswith("ignored")


async def test_who_does_not_wait_any_more_keeps_no_other_waiting(store: Store) -> None:
    inbox = Inbox(store)
    async with store.write():
        gone = asyncio.create_task(inbox.take(arrival(1)))
        stays = asyncio.create_task(inbox.take(arrival(2)))
        await asyncio.sleep(0)
        gone.cancel()
    assert (await stays).result.startswith("ignored")
    with pytest.raises(asyncio.CancelledError):
        await gone


async def _there(tx: Tx, name: str) -> bool:
    return await deliveries.get(tx, "hub", name) is not None

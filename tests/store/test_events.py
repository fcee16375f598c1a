from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, update

from app.core.base import now
from app.core.errors import BadRequestError, NotFoundError, StoreError
from app.store import events
from app.store.tables import events as table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.models import Event
    from app.store.database import Store


async def many(tx: AsyncConnection, count: int, project: str = "greeter") -> list[Event]:
    return [await events.append(tx, "scan.done", str(number), project=project) for number in range(count)]


async def test_a_line_comes_back_as_it_was_written(store: Store) -> None:
    async with store.write() as tx:
        written = await events.append(
            tx,
            "failure.seen",
            "a.service failed",
            project="greeter",
            proposal=1,
            run=2,
            actor="watcher",
            host="pi",
            data={"restarts": 3, "at": now()},
        )
    async with store.read() as tx:
        assert await events.page(tx) == ([written], None)

    assert written.at.tzinfo is UTC
    assert now() - written.at < timedelta(minutes=1)
    assert written.data["restarts"] == 3


@pytest.mark.parametrize("statement", [update(table).values(text="better"), delete(table)])
async def test_the_history_cannot_be_changed(store: Store, statement: object) -> None:
    async with store.write() as tx:
        written = await many(tx, 2)
    with pytest.raises(StoreError, match="append-only"):
        async with store.write() as tx:
            await tx.execute(statement)  # type: ignore[call-overload]
    async with store.read() as tx:
        assert (await events.page(tx, newest_first=False))[0] == written


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_are_complete(store: Store, newest_first: bool) -> None:
    async with store.write() as tx:
        written = await many(tx, 5)
        seen: list[Event] = []
        cursor: str | None = ""
        while cursor is not None:
            page, cursor = await events.page(tx, cursor=cursor or None, limit=2, newest_first=newest_first)
            seen += page

    assert seen == (written[::-1] if newest_first else written)


async def test_what_a_follower_asks_for(store: Store) -> None:
    async with store.write() as tx:
        written = await many(tx, 4)
        await many(tx, 1, "another")
        found, _ = await events.page(tx, project="greeter", after=written[1].id, newest_first=False)

    assert found == written[2:]


async def test_lines_of_one_proposal(store: Store) -> None:
    async with store.write() as tx:
        await many(tx, 2)
        written = await events.append(tx, "proposal.opened", "", proposal=7)
        assert await events.page(tx, proposal=7) == ([written], None)
        with pytest.raises(BadRequestError):
            await events.page(tx, cursor="nonsense")


async def test_filters_of_the_history(store: Store) -> None:
    async with store.write() as tx:
        opened = await events.append(tx, "proposal.opened", "", actor="pimainteno")
        other = await events.append(tx, "proposals.none", "", actor="anna")
        merged = await events.append(tx, "proposal.merged", "", actor="anna")

        async def found(**which: Any) -> list[Event]:
            return (await events.page(tx, newest_first=False, **which))[0]

        assert await found(kind="proposal.") == [opened, merged]
        assert await found(kind="proposal.merged") == [merged]
        assert await found(kind="proposal") == []
        assert await found(kind="PROPOSAL.") == []
        assert await found(kind=".") == []
        assert await found(kind="%.") == []
        assert await found(actor="anna") == [other, merged]
        assert await found(actor="anna", kind="proposal.") == [merged]
        assert await found(since=other.at, until=merged.at) == ([other] if other.at < merged.at else [])
        assert await found(since=now() + timedelta(days=1)) == []
        assert await found(until=opened.at) == []


@pytest.mark.parametrize("text", ["\0", "\ud800", "x" * 200_000, "' OR 1=1 --."])
async def test_a_filter_that_nothing_meets(store: Store, text: str) -> None:
    async with store.write() as tx:
        await many(tx, 1)
        for name in ("project", "kind", "actor"):
            assert await events.page(tx, **{name: text}) == ([], None)  # type: ignore[arg-type]


async def test_one_line(store: Store) -> None:
    async with store.write() as tx:
        first, _ = await many(tx, 2)
        assert await events.get(tx, first.id) == first
        with pytest.raises(NotFoundError, match="There is no line 99 in the history"):
            await events.get(tx, 99)


async def test_kinds_that_begin_alike_come_in_their_order(store: Store) -> None:
    kinds = ["run.started", "proposal.opened", "run.finished", "scan.done", "run.started", "run.refused"]
    async with store.write() as tx:
        written = [await events.append(tx, kind, "", project="greeter") for kind in kinds]
        await events.append(tx, "run.started", "", project="another")
        expected = [one for one in written if one.kind.startswith("run.")]
        for newest_first in (True, False):
            seen: list[Event] = []
            cursor: str | None = ""
            while cursor is not None:
                page, cursor = await events.page(
                    tx,
                    kind="run.",
                    project="greeter",
                    cursor=cursor or None,
                    limit=2,
                    newest_first=newest_first,
                )
                seen += page
            assert seen == (expected[::-1] if newest_first else expected)


async def test_a_time_is_found_though_clocks_differ(store: Store) -> None:
    base = now() - timedelta(days=2)
    minutes = [0, 60, 118, 122, 119, 180, 240, 239, 300]  # two hosts wrote them
    async with store.write() as tx:
        for at in minutes:
            line = {"at": base + timedelta(minutes=at), "kind": "a", "actor": "x", "text": str(at)}
            await tx.execute(insert(table).values(**line))

        async def found(**which: datetime) -> list[int]:
            return [int(one.text) for one in (await events.page(tx, newest_first=False, **which))[0]]  # type: ignore[arg-type]

        for since in range(-10, 320, 7):
            for until in range(-10, 320, 7):
                start, end = base + timedelta(minutes=since), base + timedelta(minutes=until)
                assert await found(since=start, until=end) == [at for at in minutes if since <= at < until]

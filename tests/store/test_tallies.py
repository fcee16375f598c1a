from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.core.base import now
from app.store import deliveries, events, tallies
from app.store.database import Store
from tests.store.test_migrations import ROWS

if TYPE_CHECKING:
    from pathlib import Path


async def test_failures_are_counted_as_they_are_told(store: Store) -> None:
    async with store.write() as tx:
        await events.append(tx, "failure.seen", "one", project="greeter")
        await events.append(tx, "failure.seen", "many", project="greeter", data={"more": 40, "log": "a\0b"})
        await events.append(tx, "failure.seen", "other", project="another")
        await events.append(tx, "failure.seen", "not ours", project="x", data={"ignored": "no project"})
        await events.append(tx, "failure.recovered", "no failure", project="greeter")
        assert await tallies.totals(tx, tallies.FAILURES) == {("another", ""): 1, ("greeter", ""): 41}
        assert await tallies.since(tx, tallies.FAILURES, now() - timedelta(hours=1)) == 42
        assert await tallies.since(tx, tallies.FAILURES, now() + timedelta(minutes=16)) == 0
        assert await tallies.since(tx, tallies.FAILURES, datetime(1970, 1, 1, tzinfo=UTC)) == 42


async def test_deliveries_are_counted_once_by_what_came_of_them(store: Store) -> None:
    async with store.write() as tx:
        await deliveries.add_all(tx, "reports", "failure", {"a": {}, "b": {}, "c": {}})
        assert await tallies.totals(tx, tallies.DELIVERIES) == {}
        await deliveries.done(tx, "reports", "a", "b", result="ignored: this failure was reported before")
        await deliveries.done(tx, "reports", "c", result="counted")
        await deliveries.done(tx, "reports", "c", result="proposal")
        await deliveries.add(tx, "invocations", "i", "failure")
        await deliveries.done(tx, "invocations", "i", result="counted")
        assert await tallies.totals(tx, tallies.DELIVERIES) == {
            ("reports", "counted"): 1,
            ("reports", "ignored"): 2,
        }


async def test_durations_are_sorted(store: Store) -> None:
    async with store.write() as tx:
        for seconds in (0.5, 1, 1.5, 9999):
            await tallies.took(tx, "repair", seconds)
        assert await tallies.totals(tx, tallies.STAGES) == {
            ("repair", "+Inf"): 1,
            ("repair", "1"): 2,
            ("repair", "5"): 1,
        }
        assert await tallies.totals(tx, tallies.STAGE_SECONDS) == {("repair", ""): 10002}


async def test_what_was_there_before_is_counted_too(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.executescript(ROWS.read_text())
        connection.executemany(
            "INSERT INTO events (at, kind, project, actor, text, data)"
            " VALUES (?, 'failure.seen', ?, '', '', ?)",
            [(900, "a", "{}"), (1000, "a", '{"more":4}'), (2000, "b", "{}"), (2000, "b", '{"ignored":"x"}')],
        )
    connection.close()

    async with Store.opened(f"sqlite:///{path}") as store, store.read() as tx:
        assert await tallies.totals(tx, tallies.FAILURES) == {("a", ""): 5, ("b", ""): 1}
        assert await tallies.since(tx, tallies.FAILURES, datetime.fromtimestamp(1900, UTC)) == 1
        assert await tallies.totals(tx, tallies.DELIVERIES) == {("reports", "proposal"): 1}

"""No question of a page reads a whole table: SQLite says how it would answer each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from app.core.base import now
from app.core.models import Kind, Need
from app.store import board, cursors, events, jobs, measures, proposals, runs
from app.store.board import Filter
from tests.store.kinds import sqlite_only

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.store.database import Store

    Ask = Callable[[AsyncConnection], Awaitable[Any]]

SMALL = {"projects", "pauses", "tallies"}
"""Tables with a few rows."""
COVERED = tuple(f"SCAN {table} USING COVERING INDEX" for table in ("runs", "proposals", "incidents"))
"""To count all rows by an index is quick."""
ASKS: dict[str, Ask] = {
    "groups": lambda tx: board.groups(tx, Filter()),
    "groups, filtered": lambda tx: board.groups(tx, Filter("greeter", Kind.FIX, None, "text")),
    "one group": lambda tx: board.page(tx, Filter(need=Need.READY), cursor=None),
    "its next page": lambda tx: board.page(tx, Filter(need=Need.READY), cursor=cursors.encode_at(5.5, 7)),
    "figures": lambda tx: board.figures(tx, day=now(), week=now()),
    "open": lambda tx: proposals.page(tx, state="open"),
    "of a project": lambda tx: proposals.page(tx, state="all", project="greeter"),
    "one proposal": lambda tx: proposals.latest_for_incident(tx, 1),
    "its run": lambda tx: runs.latest(tx, 1),
    "its jobs": lambda tx: jobs.pending(tx, "close", 1),
    "its history": lambda tx: events.page(tx, proposal=1),
    "history of a project": lambda tx: events.page(tx, project="greeter"),
    "history of a kind": lambda tx: events.page(tx, kind="proposal.merged"),
    "history of kinds": lambda tx: events.page(tx, kind="proposal."),
    "history of a person": lambda tx: events.page(tx, actor="anna"),
    "history since": lambda tx: events.page(tx, since=now() - timedelta(days=1)),
    "history until": lambda tx: events.page(tx, until=now() - timedelta(days=1)),
    "what came after": lambda tx: events.marks(tx, after=7, limit=10),
    "the newest": events.newest,
    "measures": measures.read,
}


@sqlite_only
@pytest.mark.parametrize("ask", ASKS)
async def test_no_table_is_read_whole(store: Store, ask: str) -> None:
    async with store.write() as tx:
        for kind in ("proposal.merged", "proposal.opened", "failure.seen"):
            await events.append(tx, kind, "")
    asked: list[tuple[str, Any]] = []
    async with store.read() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        await ASKS[ask](tx)
        questions = list(asked)
        plans = []
        for statement, parameters in questions:
            plan = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans += [row.detail for row in plan]
    assert questions
    scans = [detail for detail in plans if detail.startswith("SCAN ")]
    tables = {"events", "proposals", "incidents", "runs", "jobs", "deliveries"}
    assert [
        detail for detail in scans if detail.split()[1] in tables and not detail.startswith(COVERED)
    ] == []
    if "history" in ask:
        assert [detail for detail in plans if "TEMP B-TREE" in detail] == []

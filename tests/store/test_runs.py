from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.core.base import now
from app.core.changes import Answer, Change, Changeset, CheckResult, Summary, Usage
from app.core.errors import NotFoundError
from app.core.models import Kind, Proposal, Run
from app.store import proposals, runs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.store.database import Store


async def proposal(tx: AsyncConnection) -> Proposal:
    return await proposals.create(tx, project="greeter", kind=Kind.FIX, branch="b", title="")


async def run(tx: AsyncConnection) -> Run:
    return await runs.create(tx, await proposal(tx))


async def test_a_run_of_a_proposal(store: Store) -> None:
    async with store.write() as tx:
        parent = await proposal(tx)
        made = await runs.create(tx, parent)
        again = await runs.create(tx, parent, kind=Kind.REVISE, retry=1)
        assert await runs.get(tx, made.id) == made
        assert await runs.latest(tx, parent.id) == again
        assert await runs.latest(tx, 99) is None

    assert (made.proposal_id, made.project, made.kind, made.state) == (
        parent.id,
        "greeter",
        Kind.FIX,
        "queued",
    )
    assert (again.kind, again.retry) == (Kind.REVISE, 1)


async def test_every_model_of_a_run_comes_back(store: Store, other: Store) -> None:
    changes = (Change(path="run.sh", mode="100755", content=b"\x00\xff"), Change(path="gone"))
    columns = {
        "state": "working",
        "stage": "prove",
        "changeset": Changeset(base="a" * 40, changes=changes),
        "answer": Answer(verdict="fixed", title="T", cause="c", change="x", risk="low", confidence=0.5),
        "checks": (CheckResult(command="pytest", before="fail", after="timeout"),),
        "summary": Summary(changed=True, codex_md="# 😀\n"),
        "notes": ("no check shows the failure",),
        "usage": Usage(input=10, cached=4, output=5),
    }
    async with store.write() as tx:
        made = await run(tx)
        updated = await runs.update(tx, made.id, **columns, started_at=now())
    async with other.read() as tx:
        found = await runs.get(tx, made.id)

    assert found == updated
    assert {name: getattr(found, name) for name in columns} == columns


async def test_a_column_can_be_emptied(store: Store) -> None:
    async with store.write() as tx:
        made = await run(tx)
        await runs.update(tx, made.id, changeset=Changeset(base="a"), stage="repair")
        emptied = await runs.update(tx, made.id, changeset=None, stage="")

    assert emptied == made


async def test_tokens_of_the_day(store: Store) -> None:
    start = now()
    async with store.write() as tx:
        first, second = await run(tx), await runs.create(tx, await proposals.get(tx, 1))
        assert await runs.tokens_since(tx, start) == 0
        await runs.update(tx, first.id, usage=Usage(input=10, output=5))
        await runs.update(tx, second.id, usage=Usage(input=1, cached=1, output=1))
        await runs.update(tx, second.id, stage="prove")
        assert await runs.tokens_since(tx, start) == 17
        assert await runs.tokens_since(tx, now() + timedelta(seconds=1)) == 0


async def test_no_such_run(store: Store) -> None:
    async with store.write() as tx:
        with pytest.raises(NotFoundError, match="There is no run 99"):
            await runs.get(tx, 99)
        with pytest.raises(NotFoundError):
            await runs.update(tx, 99, stage="prove")

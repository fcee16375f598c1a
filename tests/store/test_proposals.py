from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from app.core.base import now
from app.core.changes import CheckResult
from app.core.errors import BadRequestError, NotFoundError, StoreError
from app.core.models import Incident, Kind, Proposal, ProposalState
from app.core.reports import Failure
from app.store import incidents, proposals

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.store.database import Store


async def incident(tx: AsyncConnection, host: str = "pi") -> Incident:
    failure = Failure(project="greeter", unit="greeter.service", host=host)
    return await incidents.record(tx, failure, fingerprint="f1", version=1, log="boom")


async def create(
    tx: AsyncConnection, branch: str, project: str = "greeter", kind: Kind = Kind.FIX
) -> Proposal:
    return await proposals.create(tx, project=project, kind=kind, branch=branch, title=branch)


async def test_a_fix_carries_what_its_incident_counts(store: Store) -> None:
    async with store.write() as tx:
        made = await proposals.create(
            tx,
            project="greeter",
            kind=Kind.FIX,
            branch="pimainteno/fix/greeter.service-12345678",
            title="Fix",
            incident=await incident(tx),
        )
        assert (made.unit, made.fingerprint, made.count, made.hosts) == ("greeter.service", "f1", 1, ("pi",))
        assert made.state is ProposalState.WORKING
        assert await proposals.get(tx, made.id) == made
        await incident(tx, "another")
        again = await proposals.get(tx, made.id)

    assert (again.count, again.hosts) == (2, ("pi", "another"))


async def test_one_without_an_incident(store: Store) -> None:
    async with store.write() as tx:
        made = await create(tx, "pimainteno/codex-md", kind=Kind.SUMMARISE)
        assert await proposals.get(tx, made.id) == made

    assert (made.unit, made.fingerprint, made.count, made.hosts, made.pushed) == (None, None, 0, (), ())


async def test_update_sets_columns_of_every_type(store: Store) -> None:
    checks = (CheckResult(command="pytest", before="fail", after="pass", after_output="ok"),)
    until = now() + timedelta(hours=1)
    async with store.write() as tx:
        made = await create(tx, "b")
        await proposals.update(
            tx, made.id, state=ProposalState.WAITING, checks=checks, snoozed_until=until, draft=True, number=4
        )
    async with store.read() as tx:
        found = await proposals.get(tx, made.id)

    assert (found.state, found.checks, found.draft, found.number) == ("waiting", checks, True, 4)
    assert found.snoozed_until is not None
    assert abs(found.snoozed_until - until) < timedelta(milliseconds=1)
    assert found.updated_at > made.updated_at
    assert found.created_at == made.created_at


async def test_no_such_proposal(store: Store) -> None:
    async with store.write() as tx:
        with pytest.raises(NotFoundError, match="There is no proposal 99"):
            await proposals.get(tx, 99)
        with pytest.raises(NotFoundError):
            await proposals.update(tx, 99, title="x")
        with pytest.raises(NotFoundError):
            await proposals.pushed(tx, 99, "a" * 40)


async def test_the_ledger_of_pushes_ends_with_the_newest(store: Store) -> None:
    async with store.write() as tx:
        made = await create(tx, "b")
        for sha in ("a", "b", "b", "a"):
            last = await proposals.pushed(tx, made.id, sha)

    assert last.pushed == ("b", "a")


async def test_latest_for_an_incident(store: Store) -> None:
    async with store.write() as tx:
        seen = await incident(tx)
        assert await proposals.latest_for_incident(tx, seen.id) is None
        for branch in ("b", "b-2"):
            made = await proposals.create(
                tx, project="greeter", kind=Kind.FIX, branch=branch, title="", incident=seen
            )
        await create(tx, "other")
        assert await proposals.latest_for_incident(tx, seen.id) == made


async def test_active_of_a_kind(store: Store) -> None:
    async with store.write() as tx:
        made = await create(tx, "b", kind=Kind.SUMMARISE)
        assert await proposals.active_of_kind(tx, "greeter", Kind.FIX) is None
        assert await proposals.active_of_kind(tx, "another", Kind.SUMMARISE) is None
        assert await proposals.active_of_kind(tx, "greeter", Kind.SUMMARISE) == made
        await proposals.update(tx, made.id, state=ProposalState.MERGED)
        assert await proposals.active_of_kind(tx, "greeter", Kind.SUMMARISE) is None


async def test_branches_are_numbered(store: Store) -> None:
    async with store.write() as tx:
        for expected in ("fix/a_b%-1", "fix/a_b%-1-2", "fix/a_b%-1-3"):
            assert await proposals.free_branch(tx, "greeter", "fix/a_b%-1") == expected
            await create(tx, expected)
        assert await proposals.free_branch(tx, "another", "fix/a_b%-1") == "fix/a_b%-1"
        assert await proposals.free_branch(tx, "greeter", "fix/A_B%-1") == "fix/A_B%-1"
        assert await proposals.free_branch(tx, "greeter", "fix/a") == "fix/a"


async def test_a_branch_belongs_to_one_proposal(store: Store) -> None:
    with pytest.raises(StoreError, match=r"(?i)unique"):
        async with store.write() as tx:
            await create(tx, "b")
            await create(tx, "b")


async def test_pages_are_complete_and_stable_while_rows_arrive(store: Store) -> None:
    async with store.write() as tx:
        ids = [(await create(tx, f"b{number}")).id for number in range(7)]
        seen: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page, cursor = await proposals.page(tx, state="all", cursor=cursor or None, limit=3)
            seen += [proposal.id for proposal in page]
            await create(tx, f"new{len(seen)}")

    assert seen == ids[::-1]


async def test_a_page_that_ends_with_the_last_row_has_no_next(store: Store) -> None:
    async with store.write() as tx:
        for number in range(3):
            await create(tx, f"b{number}")
        page, cursor = await proposals.page(tx, state="all", limit=3)

    assert (len(page), cursor) == (3, None)


@pytest.mark.parametrize("state", list(ProposalState))
async def test_what_open_lists(store: Store, state: ProposalState) -> None:
    async with store.write() as tx:
        made = await create(tx, "b")
        await proposals.update(tx, made.id, state=state)
        listed, _ = await proposals.page(tx, state="open")
        everything, _ = await proposals.page(tx, state="all")

    assert bool(listed) is (state in {"working", "waiting", "open"})
    assert len(everything) == 1


async def test_pages_of_one_project_and_no_other(store: Store) -> None:
    async with store.write() as tx:
        await create(tx, "b", "another")
        made = await create(tx, "b", "greeter")
        assert await proposals.page(tx, state="open", project="greeter") == ([made], None)
        with pytest.raises(BadRequestError):
            await proposals.page(tx, state="open", cursor="nonsense")


async def test_a_page_is_one_statement(store: Store) -> None:
    async with store.write() as tx:
        for number in range(3):
            await proposals.create(
                tx,
                project="greeter",
                kind=Kind.FIX,
                branch=str(number),
                title="",
                incident=await incident(tx),
            )
    statements: list[str] = []
    async with store.read() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
        page, _ = await proposals.page(tx, state="all")

    assert [proposal.count for proposal in page] == [3, 3, 3]
    assert len(statements) == 1


async def test_limits_count_what_was_opened(store: Store) -> None:
    start = now()
    async with store.write() as tx:
        made = [await create(tx, f"b{number}") for number in range(3)]
        for proposal in made[:2]:
            await proposals.update(tx, proposal.id, state=ProposalState.OPEN)
        assert await proposals.open_count(tx, "greeter") == 2
        assert await proposals.opened_since(tx, "greeter", start) == 2

        await proposals.update(tx, made[0].id, state=ProposalState.CLOSED)
        assert await proposals.open_count(tx, "greeter") == 1
        assert await proposals.opened_since(tx, "greeter", start) == 2

        reopened = now()
        await proposals.update(tx, made[0].id, state=ProposalState.OPEN)
        assert await proposals.opened_since(tx, "greeter", reopened) == 0
        assert await proposals.open_count(tx, "another") == 0
        assert await proposals.opened_since(tx, "another", start) == 0

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from app.core.base import now
from app.core.changes import Usage
from app.core.errors import BadRequestError
from app.core.models import Kind, Need, ProposalState
from app.core.reports import Failure
from app.store import board, events, incidents, proposals, runs
from app.store.board import Filter
from app.store.tables import proposals as table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.store.database import Store

_S = ProposalState
LONG_AGO = timedelta(days=8)


async def add(
    tx: AsyncConnection,
    cause: str = "",
    *,
    at: datetime | None = None,
    project: str = "greeter",
    kind: Kind = Kind.FIX,
    title: str = "Fix",
    unit: str = "greeter.service",
    hosts: tuple[str, ...] = ("pi",),
    **columns: Any,
) -> int:
    """Add a proposal, for an incident of a cause where one is given."""
    incident = None
    for host in hosts if cause else ():
        failure = Failure(project=project, unit=unit, host=host, at=at or now())
        incident = await incidents.record(tx, failure, fingerprint=cause, version=1, log="")
    branch = await proposals.free_branch(tx, project, f"pimainteno/{cause or kind}")
    made = await proposals.create(
        tx, project=project, kind=kind, branch=branch, title=title, incident=incident
    )
    await proposals.update(tx, made.id, **({"state": _S.OPEN} | columns))
    return made.id


async def ids(tx: AsyncConnection, which: Filter | None = None, **more: Any) -> list[int]:
    found, _ = await board.page(tx, which or Filter(**more), cursor=None)
    return [row.proposal.id for row in found]


@pytest.mark.parametrize(
    ("columns", "need"),
    [
        ({}, Need.READY),
        ({"ci": "success", "review": "approved", "draft": True}, Need.READY),
        ({"ci": "failure"}, Need.CI_FAILING),
        ({"ci": "failure", "review": "changes_requested"}, Need.CHANGES_REQUESTED),
        ({"ci": "failure", "review": "changes_requested", "foreign_sha": "a" * 40}, Need.EDITED),
        ({"state": _S.WAITING, "ci": "failure"}, Need.WAITING),
        ({"state": _S.WORKING, "foreign_sha": "a" * 40}, Need.WORKING),
        ({"state": _S.REFUSED}, Need.NOT_PROPOSED),
        ({"state": _S.FAILED}, Need.NOT_PROPOSED),
        ({"state": _S.SKIPPED}, Need.NOT_PROPOSED),
        ({"state": _S.MERGED}, None),
        ({"state": _S.CLOSED}, None),
    ],
)
async def test_what_a_proposal_needs(store: Store, columns: dict[str, Any], need: Need | None) -> None:
    async with store.write() as tx:
        made = await add(tx, "cause", **columns)
        groups = await board.groups(tx, Filter())
        by_need = {each: await ids(tx, need=each) for each in Need}

    assert [(group.need, group.total, len(group.rows)) for group in groups] == (
        [(need, 1, 1)] if need else []
    )
    assert {each: found for each, found in by_need.items() if found} == ({need: [made]} if need else {})


def test_each_need_has_words() -> None:
    assert next(need.words for need in Need) == "Ready for review"
    assert len({need.words for need in Need}) == len(Need)


async def test_groups_in_order_with_the_newest_failure_first(store: Store) -> None:
    base = now() - timedelta(hours=1)
    async with store.write() as tx:
        old = [await add(tx, f"c{n}", at=base + timedelta(minutes=n % 3)) for n in range(5)]
        working = await add(tx, "w", state=_S.WORKING)
        failed = await add(tx, state=_S.FAILED)
        await incidents.record(
            tx, Failure(project="greeter", unit="u", host="h"), fingerprint="c0", version=1, log=""
        )
        groups = await board.groups(tx, Filter(), each=3)

    assert [(group.need, group.total) for group in groups] == [
        ("ready", 5),
        ("working", 1),
        ("not_proposed", 1),
    ]
    # c0 failed again just now; then those of the second minute; of one time the newest proposal
    assert [row.proposal.id for row in groups[0].rows] == [old[0], old[2], old[4]]
    assert groups[0].rows[0].proposal.count == 2
    assert abs(groups[0].rows[1].last_at - (base + timedelta(minutes=2))) < timedelta(milliseconds=1)
    assert [groups[n].rows[0].proposal.id for n in (1, 2)] == [working, failed]


async def test_one_without_an_incident_goes_by_when_it_was_made(store: Store) -> None:
    async with store.write() as tx:
        made = await add(tx, kind=Kind.IMPROVE)
        (row,), _ = await board.page(tx, Filter(), cursor=None)
        assert row.last_at == (await proposals.get(tx, made)).created_at


async def test_pages_of_a_group_are_complete(store: Store) -> None:
    at = now()
    async with store.write() as tx:
        made = [await add(tx, f"c{n}", at=at - timedelta(seconds=n // 3)) for n in range(8)]
        await add(tx, "other", state=_S.WAITING)
        seen: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            rows, cursor = await board.page(tx, Filter(need=Need.READY), cursor=cursor or None, limit=2)
            seen += [row.proposal.id for row in rows]

    assert sorted(seen) == made
    assert seen == [made[n] for n in (2, 1, 0, 5, 4, 3, 7, 6)]


async def test_a_cursor_of_another_list(store: Store) -> None:
    async with store.read() as tx:
        for cursor in ("nonsense", "aWQ6Nw", "YXQ6MTox" * 20):
            with pytest.raises(BadRequestError, match="start from the first page"):
                await board.page(tx, Filter(), cursor=cursor)


async def test_only_the_last_word_on_an_open_incident_could_not_be_proposed(store: Store) -> None:
    async with store.write() as tx:
        await add(tx, "twice", state=_S.FAILED)
        last = await add(tx, "twice", state=_S.REFUSED)
        await add(tx, "mended", state=_S.SKIPPED)
        await add(tx, "mended", state=_S.MERGED)
        over = await add(tx, "over", state=_S.FAILED)
        incident = (await proposals.get(tx, over)).incident_id
        assert incident is not None
        assert await ids(tx, need=Need.NOT_PROPOSED) == [over, last]
        await incidents.resolve(tx, incident)
        assert await ids(tx) == [last]
        await incidents.record(
            tx, Failure(project="greeter", unit="u", host="h"), fingerprint="over", version=1, log=""
        )
        assert await ids(tx) == [over, last]


async def test_without_an_incident_it_is_forgotten_after_a_week(store: Store) -> None:
    async with store.write() as tx:
        old, new = await add(tx, state=_S.FAILED), await add(tx, state=_S.FAILED)
        await tx.execute(update(table).where(table.c.id == old).values(updated_at=now() - LONG_AGO))
        assert await ids(tx) == [new]


async def test_filters(store: Store) -> None:
    async with store.write() as tx:
        one = await add(tx, "a", project="one", kind=Kind.FIX)
        two = await add(tx, "b", project="two", kind=Kind.IMPROVE)
        assert await ids(tx, project="one") == [one]
        assert await ids(tx, kind=Kind.IMPROVE) == [two]
        assert await ids(tx, project="one", kind=Kind.IMPROVE) == []
        assert await ids(tx, project="three") == []
        assert [group.total for group in await board.groups(tx, Filter(project="two"))] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "SPELL THE",
        "100%",
        "a_b",
        "ärger",
        "ÄRGER",
        "\\d",
        "'",
        'quote"',
        "Greeter@1",
        "TENO/cause",
        "WAITS for",
        "NAS-7",
        "köln",
        "KÖLN",
        "pi\n2",
    ],
)
async def test_text_is_found_whatever_its_case(store: Store, text: str) -> None:
    async with store.write() as tx:
        found = await add(
            tx,
            "cause",
            title="Spell the name: 100%, a_b, Ärger, \\d, ' and quote\"",
            unit="greeter@1.service",
            hosts=("nas-7.lan", "KÖLN", "pi\n2", "\0", "\\u0000", "\ud800"),
            reason="waits for a place",
        )
        await add(tx, "x", title="100 ab arger", unit="other.timer", hosts=("desk",))
        assert await ids(tx, text=text) == [found]


@pytest.mark.parametrize(
    "text", ["%", "_", "[", '","', "Fix%", "\0", "\ud800", "x" * 200_000, "' OR 1=1 --", "💥", ","]
)
async def test_text_that_stands_nowhere(store: Store, text: str) -> None:
    async with store.write() as tx:
        await add(tx, "cause", hosts=("pi", "nas"))
        assert await ids(tx, text=text) == []
        assert await board.groups(tx, Filter(text=text, project=text)) == []


async def test_figures(store: Store) -> None:
    start = now()
    async with store.write() as tx:
        await events.append(tx, "failure.seen", "one")
        await events.append(tx, "failure.seen", "many", data={"more": 40})
        await events.append(tx, "failure.seen", "not ours", data={"ignored": "no project"})
        await events.append(tx, "failure.recovered", "no failure")
        await add(tx, "a")
        await add(tx, "b", state=_S.WAITING)
        await add(tx, "c", state=_S.MERGED)
        run = await runs.create(tx, await proposals.get(tx, await add(tx, "d", state=_S.CLOSED)))
        await runs.update(tx, run.id, usage=Usage(input=70, output=7))
        assert await board.figures(tx, day=start, week=start) == board.Figures(41, 1, 1, 77)
        later = now() + timedelta(minutes=16)  # failures are counted by quarters of an hour
        assert await board.figures(tx, day=later, week=later) == board.Figures(0, 1, 0, 0)

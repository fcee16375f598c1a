"""Deliveries written down many at once, with the work that they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.models import Kind
from app.store import deliveries, inbox, jobs, proposals
from app.store.inbox import KNOWN, LOOK, NOT_OURS, Arrival, Taken

if TYPE_CHECKING:
    from app.store.database import Store


async def add(store: Store, project: str, number: int, *, branch: str = "") -> int:
    async with store.write() as tx:
        made = await proposals.create(
            tx, project=project, kind=Kind.FIX, branch=branch or f"b{number}", title="t"
        )
        return (await proposals.update(tx, made.id, number=number, head_sha=f"{number:040x}")).id


async def take(store: Store, *arrivals: Arrival) -> list[Taken]:
    async with store.write() as tx:
        return await inbox.take(tx, arrivals)


def arrival(id_: str, source: str = "hub", **about: object) -> Arrival:
    given = {"event": "e", "headers": {}, "projects": ("a",), **about}
    return Arrival(source=source, delivery_id=id_, **given)  # type: ignore[arg-type]


def led(taken: list[Taken]) -> list[tuple[str, list[object]]]:
    return [(one.result, [job.args for job in one.jobs]) for one in taken]


async def test_each_by_its_own_lead(store: Store) -> None:
    first, second, third = [await add(store, "a", number) for number in (1, 2, 3)]
    elsewhere = await add(store, "b", 1)
    taken = await take(
        store,
        arrival("1", number=1),
        arrival("2", branch="b2"),
        arrival("3", head=f"{3:040x}"),
        arrival("4", number=4, branch="none", head="none"),
        arrival("5", number=1, projects=("b", "c")),
        arrival("6"),
        arrival("7", number=1, ignored="ignored: for a reason"),
        arrival("8", number=1, projects=()),
    )
    assert led(taken) == [
        (LOOK, [{"proposal_id": first}]),
        (LOOK, [{"proposal_id": second}]),
        (LOOK, [{"proposal_id": third}]),
        (NOT_OURS, []),
        (LOOK, [{"proposal_id": elsewhere}]),
        (NOT_OURS, []),
        ("ignored: for a reason", []),
        (NOT_OURS, []),
    ]
    async with store.read() as tx:
        rows = [await deliveries.get(tx, "hub", str(number)) for number in range(1, 9)]
    assert [row and (row.result, row.proposal_id) for row in rows] == [
        (LOOK, first),
        (LOOK, second),
        (LOOK, third),
        (NOT_OURS, None),
        (LOOK, elsewhere),
        (NOT_OURS, None),
        ("ignored: for a reason", None),
        (NOT_OURS, None),
    ]
    assert all(row and row.done_at for row in rows)


async def test_one_delivery_can_lead_to_several_proposals(store: Store) -> None:
    first, second = await add(store, "a", 1), await add(store, "a", 2)
    third = await add(store, "b", 1)
    (taken,) = await take(store, arrival("1", number=1, branch="b2", projects=("a", "b")))
    assert [job.args["proposal_id"] for job in taken.jobs] == [first, second, third]


async def test_a_known_one_leads_to_nothing_at_once_or_later(store: Store) -> None:
    number = await add(store, "a", 1)
    taken = await take(store, arrival("1", number=1), arrival("1", number=1), arrival("1", "lab", number=2))
    assert led(taken) == [(LOOK, [{"proposal_id": number}]), (KNOWN, []), (NOT_OURS, [])]
    async with store.write() as tx:
        lease = await jobs.take(tx, taken[0].jobs[0].id, owner="w", lease_s=30)
        assert lease is not None
        await jobs.done(tx, lease[1])
    assert led(await take(store, arrival("1", number=1))) == [(KNOWN, [])]
    assert led(await take(store, arrival("2", number=1))) == [(LOOK, [{"proposal_id": number}])]


async def test_many_about_one_proposal_lead_to_one_job(store: Store) -> None:
    number = await add(store, "a", 1)
    taken = await take(store, *(arrival(str(each), number=1) for each in range(100)))
    assert [job.args for one in taken for job in one.jobs] == [{"proposal_id": number}]
    assert {one.result for one in taken} == {LOOK}


async def test_a_job_that_has_begun_or_is_put_off_is_not_enough(store: Store) -> None:
    await add(store, "a", 1)
    (first,) = (await take(store, arrival("1", number=1)))[0].jobs
    async with store.write() as tx:
        taken = await jobs.take(tx, first.id, owner="w", lease_s=30)
    assert taken is not None
    (second,) = (await take(store, arrival("2", number=1)))[0].jobs
    assert (await take(store, arrival("3", number=1)))[0].jobs == ()
    async with store.write() as tx:
        held = await jobs.take(tx, second.id, owner="w", lease_s=30)
        assert held is not None
        await jobs.later(tx, held[1], after_s=60, reason="a limit", counts=False)
    assert len((await take(store, arrival("4", number=1)))[0].jobs) == 1


async def test_what_concerns_whole_projects(store: Store) -> None:
    whole = [arrival(str(each), projects=("a", "b"), whole=True) for each in range(2)]
    first, second = await take(store, *whole)
    assert [(job.name, job.args) for job in first.jobs] == [("poll", {"project": p}) for p in ("a", "b")]
    assert (first.result, second) == (LOOK, Taken(LOOK))

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from app.core import process
from app.core.errors import LeaseLostError, NotFoundError
from app.core.models import Job, Lease, NewJob
from app.store import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.store.database import Store

    Ending = Callable[[AsyncConnection, Lease], Coroutine[object, object, None]]

NEW = NewJob(queue="agent", name="repair", args={"run_id": 7, "proposal_id": 3, "note": "ä\x00😀"})

RACE = """
import asyncio, sys
from app.store import jobs
from app.store.database import Store
async def main():
    async with Store.opened(sys.argv[1]) as store:
        for number in range(1, 51):
            async with store.write() as tx:
                taken = await jobs.take(tx, number, owner=sys.argv[2], lease_s=60)
            if taken:
                print(taken[0].id)
asyncio.run(main())
"""


async def add(store: Store, new: NewJob = NEW) -> Job:
    async with store.write() as tx:
        return await jobs.add(tx, new)


async def take(store: Store, job: Job, owner: str = "one", lease_s: float = 60) -> Lease | None:
    async with store.write() as tx:
        taken = await jobs.take(tx, job.id, owner=owner, lease_s=lease_s)
    return taken[1] if taken else None


async def taken(store: Store, job: Job, owner: str = "one", lease_s: float = 60) -> Lease:
    lease = await take(store, job, owner, lease_s)
    assert lease is not None
    return lease


async def get(store: Store, job: Job) -> Job:
    async with store.read() as tx:
        return await jobs.get(tx, job.id)


async def due(store: Store, ring_again_s: float = 60, limit: int = 100) -> list[int]:
    async with store.write() as tx:
        return [job.id for job in await jobs.due(tx, ring_again_s=ring_again_s, limit=limit)]


async def test_a_job_comes_back_as_it_was_put_in(store: Store, other: Store) -> None:
    job = await add(store)

    assert await get(other, job) == job
    assert (job.queue, job.name, job.args, job.state) == (NEW.queue, NEW.name, NEW.args, "queued")
    assert (job.attempts, job.fence, job.reason) == (0, 0, None)


async def test_no_such_job(store: Store) -> None:
    async with store.write() as tx:
        with pytest.raises(NotFoundError, match="There is no job 99"):
            await jobs.get(tx, 99)
        assert await jobs.take(tx, 99, owner="one", lease_s=1) is None


async def test_one_of_two_takes_wins(store: Store, other: Store) -> None:
    job = await add(store)

    leases = await asyncio.gather(take(store, job, "one"), take(other, job, "two"))

    assert sum(lease is not None for lease in leases) == 1
    assert (await get(store, job)).attempts == 1


async def test_two_processes_share_the_work_without_overlap(store: Store, url: str) -> None:
    for _ in range(50):
        await add(store)

    ended = await asyncio.gather(
        *(process.run([sys.executable, "-c", RACE, url, owner]) for owner in ("one", "two"))
    )

    assert [one.stderr for one in ended] == [b"", b""]
    assert sorted(int(number) for one in ended for number in one.stdout.split()) == list(range(1, 51))


async def test_a_job_is_not_to_be_had_before_its_time(store: Store) -> None:
    job = await add(store, NewJob(queue="agent", name="repair", args={}, after_s=60))

    assert await take(store, job) is None
    assert await due(store) == []


async def test_an_expired_lease_is_taken_over(store: Store, other: Store) -> None:
    job = await add(store)
    old = await taken(store, job, "one", lease_s=-1)
    new = await taken(other, job, "two")

    assert new == Lease(job_id=job.id, owner="two", fence=old.fence + 1)
    assert (await get(store, job)).attempts == 2
    async with store.write() as tx:
        await jobs.hold(tx, new)


async def test_a_lease_that_runs_is_left_alone(store: Store, other: Store) -> None:
    job = await add(store)
    await taken(store, job)

    assert await take(other, job, "two") is None
    assert await take(store, job, "one") is None
    assert await due(store) == []


ENDINGS: dict[str, Ending] = {
    "hold": jobs.hold,
    "done": jobs.done,
    "release": jobs.release,
    "beat": lambda tx, lease: jobs.beat(tx, lease, lease_s=60),
    "dead": lambda tx, lease: jobs.dead(tx, lease, "why"),
    "later": lambda tx, lease: jobs.later(tx, lease, after_s=0, reason="why", counts=True),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("owner", ["one", "two"], ids=["the same worker again", "another"])
async def test_the_old_holder_is_told(store: Store, other: Store, ending: str, owner: str) -> None:
    job = await add(store)
    old = await taken(store, job, "one", lease_s=-1)
    await taken(other, job, owner)

    with pytest.raises(LeaseLostError, match=f"Job {job.id} is no longer held by one"):
        async with store.write() as tx:
            await ENDINGS[ending](tx, old)

    assert (await get(store, job)).state == "running"


@pytest.mark.parametrize("ending", ENDINGS)
async def test_nothing_is_done_twice(store: Store, ending: str) -> None:
    job = await add(store)
    lease = await taken(store, job)
    async with store.write() as tx:
        await jobs.done(tx, lease)

    with pytest.raises(LeaseLostError):
        async with store.write() as tx:
            await ENDINGS[ending](tx, lease)

    assert (await get(store, job)).state == "done"
    assert await take(store, job) is None
    assert await due(store) == []


async def test_the_fence_decides_not_the_clock(store: Store) -> None:
    job = await add(store)
    lease = await taken(store, job, lease_s=-1)

    async with store.write() as tx:
        await jobs.hold(tx, lease)
        await jobs.beat(tx, lease, lease_s=60)

    assert await take(store, job, "two") is None


async def test_dead_says_why(store: Store) -> None:
    job = await add(store)
    lease = await taken(store, job)
    async with store.write() as tx:
        await jobs.dead(tx, lease, "no such project")

    ended = await get(store, job)
    assert (ended.state, ended.reason) == ("dead", "no such project")
    assert await take(store, job) is None


@pytest.mark.parametrize(("counts", "attempts"), [(True, 1), (False, 0)])
async def test_later_counts_the_attempt_only_when_told(store: Store, counts: bool, attempts: int) -> None:
    job = await add(store)
    lease = await taken(store, job)
    async with store.write() as tx:
        await jobs.later(tx, lease, after_s=60, reason="at a limit", counts=counts)

    back = await get(store, job)
    assert (back.state, back.attempts, back.fence, back.reason) == ("queued", attempts, 1, "at a limit")
    assert await take(store, job) is None


async def test_release_gives_the_job_back_at_once(store: Store) -> None:
    job = await add(store)
    lease = await taken(store, job)
    async with store.write() as tx:
        await jobs.release(tx, lease)

    assert (await get(store, job)).attempts == 0
    assert await due(store) == [job.id]
    assert (await taken(store, job, "two")).fence == 2


async def test_a_job_is_rung_once_until_it_is_time_to_ring_again(store: Store) -> None:
    job = await add(store)

    assert await due(store) == [job.id]
    assert await due(store) == []
    assert await due(store, ring_again_s=0) == [job.id]


async def test_an_expired_lease_is_rung_at_once(store: Store) -> None:
    job = await add(store)
    assert await due(store) == [job.id]
    await taken(store, job, lease_s=-1)

    assert await due(store) == [job.id]


async def test_the_oldest_are_rung_first(store: Store) -> None:
    ids = [(await add(store)).id for _ in range(5)]

    assert await due(store, limit=3) == ids[:3]
    assert await due(store, limit=3) == ids[3:]


async def test_pending_finds_what_is_not_over(store: Store) -> None:
    job = await add(store)
    async with store.write() as tx:
        assert await jobs.pending(tx, "repair", 3) == job
        assert await jobs.pending(tx, "repair", 4) is None
        assert await jobs.pending(tx, "merge", 3) is None
        taken = await jobs.take(tx, job.id, owner="one", lease_s=60)
        assert taken is not None
        assert await jobs.pending(tx, "repair", 3) == taken[0]
        await jobs.done(tx, taken[1])
        assert await jobs.pending(tx, "repair", 3) is None


async def test_a_look_that_waits_is_the_only_one(store: Store) -> None:
    """It comes at once when it was put off. One that has begun does not count: it may have read already."""
    async with store.write() as tx:
        first = (await jobs.reconcile(tx, 3))[3]
        assert await jobs.reconcile(tx, 3) == {}
        fourth = (await jobs.reconcile(tx, 4))[4]
    lease = await take(store, first)
    assert lease is not None
    async with store.write() as tx:
        await jobs.later(tx, lease, after_s=600, reason="the forge is away", counts=False)
    assert await take(store, first) is None
    async with store.write() as tx:
        looks = await jobs.reconcile(tx, 5, 4, 3, 5)  # none waits, one is due, one was put off
    assert looks.keys() == {5, 3}
    assert looks[3].id == first.id
    assert looks[5].id not in {first.id, fourth.id}
    assert looks[5].args == {"proposal_id": 5}
    assert await take(store, first) is not None
    async with store.write() as tx:
        second = (await jobs.reconcile(tx, 3))[3]
        assert second.id != first.id


async def test_a_look_put_off_stays_so_beside_one_that_is_due(store: Store) -> None:
    async with store.write() as tx:
        first = (await jobs.reconcile(tx, 3))[3]
    lease = await take(store, first)
    assert lease is not None
    async with store.write() as tx:
        assert (await jobs.reconcile(tx, 3))[3].id != first.id  # the first one has begun
        await jobs.later(tx, lease, after_s=600, reason="the forge is away", counts=False)
        assert await jobs.reconcile(tx, 3) == {}
    assert await take(store, first) is None


async def test_a_whole_project_is_looked_at_once(store: Store) -> None:
    async with store.write() as tx:
        first = await jobs.poll(tx, "greeter")
        assert first is not None
        assert await jobs.poll(tx, "greeter") is None
        assert await jobs.poll(tx, "other") is not None
    assert await take(store, first) is not None
    async with store.write() as tx:
        assert await jobs.poll(tx, "greeter") is not None


async def test_looks_that_ended_well_are_forgotten(store: Store) -> None:
    async with store.write() as tx:
        look, waits = (await jobs.reconcile(tx, 3))[3], await jobs.poll(tx, "greeter")
    assert waits is not None
    other = await add(store)
    for job in (look, other):
        lease = await take(store, job)
        assert lease is not None
        async with store.write() as tx:
            await jobs.done(tx, lease)
    async with store.write() as tx:
        assert await jobs.forget(tx, older_s=60) == 0
        assert await jobs.forget(tx, older_s=-1) == 1
        for job in (waits, other):
            await jobs.get(tx, job.id)

"""The ladder, on a real store: whatever a handler does, the rows and the history say so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from app.core.errors import Failed, GitError, Refused, RetryLater, SandboxError, Skipped
from app.core.models import Kind, NewJob, ProposalState
from app.core.queue import Bell, Queue
from app.core.redact import Redactor
from app.core.settings import load
from app.store import actions, deliveries, events, jobs, pauses, proposals, runs
from app.store.database import Store
from worker.agent.taxonomy import OutOfRoom
from worker.jobs import HANDLERS, Desk, do

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from app.core.models import Event, Job, Proposal, Run
    from worker.context import Work

    Does = Callable[[Work], Awaitable[tuple[NewJob, ...]]]

SECRET = "swordfish-9c1e"
_does: list[Does] = []
"""What the handler under test does; it is found by name, like every handler."""


async def handle(work: Work, **args: Any) -> tuple[NewJob, ...]:
    assert args
    return await _does[-1](work)


@pytest.fixture
async def desk(place: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    config = place / "pimainteno.toml"
    config.write_text(
        f'state_dir = "{place}/state"\n[codex]\napi_key = "{SECRET}"\n'
        "[worker]\nlease_s = 0.3\nmax_attempts = 2\n"
    )
    settings = load(config, env={})
    for queue in (Queue.AGENT, Queue.PUBLISHER):
        monkeypatch.setitem(HANDLERS, (queue, "test"), f"{__name__}:handle")
    async with Store.opened(settings.database_url_effective) as store:
        yield Desk(
            settings, store, Bell("unix:///nowhere"), Redactor(settings.secrets()), "me",
            asyncio.Semaphore(1), frozenset(Queue),
        )  # fmt: skip


async def test_done_adds_the_jobs_that_follow(desk: Desk) -> None:
    async def does(work: Work) -> tuple[NewJob, ...]:
        return (NewJob(queue=Queue.PUBLISHER, name="publish", args={"run_id": 1}),)

    job, _ = await _given(desk, does)
    (following,) = await do(desk, job.id)
    assert (following.name, following.args, following.state) == ("publish", {"run_id": 1}, "queued")
    assert (await _row(desk, job)).state == "done"
    assert await do(desk, job.id) == []  # once is enough


@pytest.mark.parametrize(
    ("stop", "run_state", "proposal_state", "kind"),
    [
        (Skipped("nothing to do"), "skipped", ProposalState.SKIPPED, "run.skipped"),
        (Refused("a check breaks"), "refused", ProposalState.REFUSED, "run.refused"),
        (Failed("no such branch"), "failed", ProposalState.FAILED, "run.finished"),
        (OutOfRoom("it does not fit"), "failed", ProposalState.FAILED, "run.finished"),
    ],
)
async def test_each_way_of_stopping_short_is_told_with_its_reason(
    desk: Desk, stop: Exception, run_state: str, proposal_state: ProposalState, kind: str
) -> None:
    job, run = await _given(desk, _raising(stop))
    assert await do(desk, job.id) == []
    row, proposal, told = await _after(desk, run)
    assert (row.state, row.reason) == (run_state, str(stop))
    assert (proposal.state, proposal.reason) == (proposal_state, str(stop))
    assert [(event.kind, event.text) for event in told] == [(kind, str(stop))]
    assert (await _row(desk, job)).state == "dead"


async def test_waiting_is_told_once_however_often_it_is_tried(desk: Desk) -> None:
    job, run = await _given(desk, _raising(RetryLater("2 proposals an hour", after_s=0, counts=False)))
    for _ in range(3):
        await do(desk, job.id)
    _, proposal, told = await _after(desk, run)
    assert (proposal.state, proposal.reason) == (ProposalState.WAITING, "2 proposals an hour")
    assert [event.kind for event in told] == ["proposal.waiting"]
    assert (await _row(desk, job)).attempts == 0


async def test_tries_that_count_come_to_an_end(desk: Desk) -> None:
    job, run = await _given(desk, _raising(RetryLater("the network is away", after_s=0)))
    await do(desk, job.id)
    assert (await _row(desk, job)).state == "queued"
    await do(desk, job.id)
    row, _, _ = await _after(desk, run)
    assert (row.state, row.reason) == ("failed", "the network is away (given up after 2 tries)")


async def test_a_fault_of_ours_is_retried_and_named(desk: Desk) -> None:
    job, run = await _given(desk, _raising(ZeroDivisionError("division by zero")))
    await do(desk, job.id)
    row = await _row(desk, job)
    assert row.state == "queued"
    assert row.reason is not None
    assert "a fault in PiMainteno: ZeroDivisionError" in row.reason
    assert (await _after(desk, run))[1].state is ProposalState.WAITING


async def test_a_library_error_waits_before_it_is_tried_again(desk: Desk) -> None:
    job, _ = await _given(desk, _raising(GitError("cannot reach the repository")))
    await do(desk, job.id)
    assert (await _row(desk, job)).state == "queued"
    assert await do(desk, job.id) == []
    assert (await _row(desk, job)).attempts == 1  # not due yet, so not taken


async def test_a_broken_sandbox_pauses_all_runs_until_a_person_resumes(desk: Desk) -> None:
    job, run = await _given(desk, _raising(SandboxError("no user namespaces")), queue=Queue.AGENT)
    await do(desk, job.id)
    async with desk.store.write() as tx:
        pause = await pauses.get(tx)
        assert pause is not None
        assert "no user namespaces" in pause.reason
        other = await jobs.add(tx, NewJob(queue=Queue.AGENT, name="test", args={"run_id": run.id}))
    await do(desk, other.id)  # told once, as paused
    _, proposal, told = await _after(desk, run)
    assert proposal.reason is not None
    assert proposal.reason.startswith("paused: no user namespaces")
    assert [event.kind for event in told].count("proposal.waiting") == 1
    async with desk.store.write() as tx:
        other = await jobs.add(tx, NewJob(queue=Queue.AGENT, name="test", args={"run_id": run.id}))
    calls: list[Work] = []

    async def does(work: Work) -> tuple[NewJob, ...]:
        calls.append(work)
        return ()

    _does.append(does)
    await do(desk, other.id)
    assert calls == []
    async with desk.store.write() as tx:
        await actions.resume(tx, "cli:me")
        third = await jobs.add(tx, NewJob(queue=Queue.AGENT, name="test", args={"run_id": run.id}))
    await do(desk, third.id)
    assert len(calls) == 1


async def test_a_scan_that_fails_ends_the_wait_for_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HANDLERS, (Queue.PUBLISHER, "scan"), f"{__name__}:handle")
    _does.append(_raising(Failed("the repository is empty")))
    args = {"project": "greeter", "tick_id": "t", "actor": "cli:me"}
    async with desk.store.write() as tx:
        await deliveries.add(tx, "reports", "t", "tick")
        job = await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name="scan", args=args))
    await do(desk, job.id)
    async with desk.store.read() as tx:
        found = await deliveries.get(tx, "reports", "t")
        (told,), _ = await events.page(tx, project="greeter")
    assert found is not None
    assert found.result == "failed: the repository is empty"
    assert (told.kind, told.actor) == ("scan.done", "cli:me")


async def test_no_reason_carries_a_secret(desk: Desk) -> None:
    job, run = await _given(desk, _raising(Failed(f"could not log in with {SECRET}")))
    await do(desk, job.id)
    row, proposal, told = await _after(desk, run)
    for text in (row.reason, proposal.reason, told[0].text):
        assert text is not None
        assert SECRET not in text


async def test_a_long_job_keeps_its_lease(desk: Desk) -> None:
    async def does(work: Work) -> tuple[NewJob, ...]:
        await asyncio.sleep(1)  # three times the lease
        await work.still_ours()
        return ()

    job, _ = await _given(desk, does)
    await do(desk, job.id)
    assert (await _row(desk, job)).state == "done"


async def test_who_lost_the_lease_stops_and_writes_nothing(desk: Desk) -> None:
    stopped = asyncio.Event()

    async def does(work: Work) -> tuple[NewJob, ...]:
        async with work.store.write() as tx:
            await _steal(tx, work.lease.job_id)
        try:
            await asyncio.sleep(30)
        finally:
            stopped.set()
        return ()

    job, run = await _given(desk, does)
    assert await do(desk, job.id) == []
    assert stopped.is_set()
    assert (await _row(desk, job)).state == "running"  # the new holder's
    assert (await _after(desk, run))[2] == []


async def test_stopping_the_process_puts_the_job_back(desk: Desk) -> None:
    started = asyncio.Event()

    async def does(work: Work) -> tuple[NewJob, ...]:
        started.set()
        await asyncio.sleep(30)
        return ()

    job, _ = await _given(desk, does)
    desk.begin(Queue.PUBLISHER, job.id)
    await started.wait()
    await desk.close()
    row = await _row(desk, job)
    assert (row.state, row.attempts) == ("queued", 0)
    assert desk.at_work == {}


async def test_a_store_that_fails_loses_no_job(desk: Desk) -> None:
    async def does(work: Work) -> tuple[NewJob, ...]:
        async with work.store.write() as tx:  # the outcome will find no table to be written to
            await tx.exec_driver_sql("alter table jobs rename to jobs_away")
        return ()

    job, _ = await _given(desk, does)
    desk.begin(Queue.PUBLISHER, job.id)
    await asyncio.gather(*desk.at_work.values())
    async with desk.store.write() as tx:
        await tx.exec_driver_sql("alter table jobs_away rename to jobs")
    assert (await _row(desk, job)).state == "running"  # until its lease runs out


async def test_agent_runs_go_one_after_the_other(desk: Desk) -> None:
    side_by_side: list[int] = []
    inside = 0

    async def does(work: Work) -> tuple[NewJob, ...]:
        nonlocal inside
        inside += 1
        side_by_side.append(inside)
        await asyncio.sleep(0.05)
        inside -= 1
        return ()

    given = [await _given(desk, does, queue=Queue.AGENT, branch=f"b{i}") for i in range(3)]
    for job, _ in given:
        desk.begin(Queue.AGENT, job.id)
    await asyncio.gather(*desk.at_work.values())
    assert side_by_side == [1, 1, 1]


async def _given(
    desk: Desk, does: Does, *, queue: Queue = Queue.PUBLISHER, branch: str = "b"
) -> tuple[Job, Run]:
    _does.append(does)
    async with desk.store.write() as tx:
        proposal = await proposals.create(
            tx, project="greeter", kind=Kind.FIX, branch=branch, title="t", incident=None
        )
        run = await runs.create(tx, proposal)
        return await jobs.add(tx, NewJob(queue=queue, name="test", args={"run_id": run.id})), run


def _raising(error: Exception) -> Does:
    async def does(work: Work) -> tuple[NewJob, ...]:
        raise error

    return does


async def _row(desk: Desk, job: Job) -> Job:
    async with desk.store.read() as tx:
        return await jobs.get(tx, job.id)


async def _after(desk: Desk, run: Run) -> tuple[Run, Proposal, list[Event]]:
    async with desk.store.read() as tx:
        told, _ = await events.page(tx, proposal=run.proposal_id)
        return await runs.get(tx, run.id), await proposals.get(tx, run.proposal_id), told


async def _steal(tx: Any, job_id: int) -> None:
    from sqlalchemy import text

    await tx.execute(
        text("update jobs set fence = fence + 1, lease_owner = 'other', lease_until = 9e9 where id = :id"),
        {"id": job_id},
    )

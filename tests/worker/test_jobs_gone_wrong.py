"""Rows and handlers that are of no use: each ends with a reason, and no other job waits for it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from app.core.models import Kind, NewJob, ProposalState
from app.core.queue import Bell, Queue
from app.core.redact import Redactor
from app.core.settings import load
from app.store import jobs, proposals, runs
from app.store.database import Store
from worker.jobs import DEATHS, HANDLERS, Desk, do
from worker.publisher import sweep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.core.models import Job, Run
    from worker.context import Work

calls: list[dict[str, Any]] = []


async def handle(work: Work, **args: Any) -> tuple[NewJob, ...]:
    calls.append(args)
    return ()


@pytest.fixture
async def desk(place: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    config = place / "pimainteno.toml"
    config.write_text(f'state_dir = "{place}/state"\n[worker]\nmax_attempts = 2\n')
    settings = load(config, env={})
    calls.clear()
    monkeypatch.setitem(HANDLERS, (Queue.PUBLISHER, "test"), f"{__name__}:handle")
    async with Store.opened(settings.database_url_effective) as store:
        yield Desk(
            settings,
            store,
            Bell("unix:///nowhere"),
            Redactor(()),
            "me",
            asyncio.Semaphore(1),
            frozenset(Queue),
        )


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("from-a-later-version", {"run_id": 1}),
        ("from-a-later-version", {}),
        ("publish", {"run_id": 99}),
        ("publish", {"run_id": "many"}),
        ("publish", {"proposal_id": 1}),
        ("publish", {"job": 1, "name": "x", "event": "y"}),
        ("scan", {"project": "greeter"}),
        ("close", {"proposal_id": 99, "actor": "ann"}),
    ],
)
async def test_a_row_that_nothing_can_be_done_with_ends(desk: Desk, name: str, args: dict[str, Any]) -> None:
    await _a_run(desk)
    job = await _added(desk, name=name, args=args)
    for _ in range(desk.settings.worker.max_attempts):
        assert await do(desk, job.id) == []
        await _make_due(desk, job)
    row = await _row(desk, job)
    assert (row.state, bool(row.reason)) == ("dead", True)


async def test_a_handler_that_cannot_be_loaded_is_a_fault_that_is_told(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pimainteno_broken_module.py").write_text("raise RuntimeError('half an upgrade')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setitem(HANDLERS, (Queue.PUBLISHER, "test"), "pimainteno_broken_module:handle")
    run = await _a_run(desk)
    job = await _added(desk, name="test", args={"run_id": run.id})
    await do(desk, job.id)
    assert "half an upgrade" in ((await _row(desk, job)).reason or "")


@pytest.mark.parametrize("broken", ["args = '[1]'", "args = 'no json'", "queue = 'of a later version'"])
async def test_a_row_that_cannot_be_read_keeps_no_other_from_being_rung(desk: Desk, broken: str) -> None:
    from app.core import redis

    bad, good = [await _added(desk, name="test", args={"n": n}) for n in range(2)]
    async with desk.store.write() as tx:
        await tx.exec_driver_sql(f"update jobs set {broken} where id = {bad.id}")
    async with redis.running(desk.settings) as url, Bell(url) as bell:
        for _ in range(2):
            await sweep.sweep(desk.store, bell, ring_again_s=60)
        async with desk.store.read() as tx:
            rung = await tx.exec_driver_sql(f"select rung_at from jobs where id = {good.id}")
            assert rung.scalar() is not None
    desk.begin(Queue.PUBLISHER, bad.id)
    await asyncio.gather(*desk.at_work.values())
    await do(desk, good.id)
    assert calls[-1] == {"n": 1}


async def test_a_job_that_ends_its_worker_each_time_is_given_up(desk: Desk) -> None:
    run = await _a_run(desk)
    job = await _added(desk, name="test", args={"run_id": run.id})
    for _ in range(DEATHS * desk.settings.worker.max_attempts):  # taken, and then the process was killed
        async with desk.store.write() as tx:
            assert await jobs.take(tx, job.id, owner="killed", lease_s=-1) is not None
    assert await do(desk, job.id) == []
    assert calls == []
    row = await _row(desk, job)
    assert row.state == "dead"
    assert "the worker ended while it was at work" in (row.reason or "")
    async with desk.store.read() as tx:
        assert (await proposals.get(tx, run.proposal_id)).state is ProposalState.FAILED


async def _a_run(desk: Desk) -> Run:
    async with desk.store.write() as tx:
        proposal = await proposals.create(
            tx, project="greeter", kind=Kind.FIX, branch="b", title="t", incident=None
        )
        return await runs.create(tx, proposal)


async def _added(desk: Desk, *, name: str, args: dict[str, Any]) -> Job:
    async with desk.store.write() as tx:
        return await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name=name, args=args))


async def _make_due(desk: Desk, job: Job) -> None:
    async with desk.store.write() as tx:
        await tx.exec_driver_sql(f"update jobs set not_before = 0 where id = {job.id}")


async def _row(desk: Desk, job: Job) -> Job:
    async with desk.store.read() as tx:
        return await jobs.get(tx, job.id)

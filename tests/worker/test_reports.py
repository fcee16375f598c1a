"""Reports on their way from Redis into rows: none is lost, and none stops the worker."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from app.core import redis
from app.core.queue import FAILURE, UNITS, Bell, Queue, redis_settings, serialize
from app.core.redact import Redactor
from app.core.reports import Failure, Recovery
from app.core.settings import load
from app.core.units import UnitState, UnitStates
from app.store import deliveries, events, incidents, units
from app.store.database import Store
from worker import main
from worker.jobs import Desk
from worker.publisher import intake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

REPORT = Failure(id="r1", project="greeter", unit="greeter.service", host="pi", log="boom")


@asynccontextmanager
async def listening(place: Path) -> AsyncIterator[tuple[Desk, str]]:
    config = place / "pimainteno.toml"
    config.write_text(
        f'state_dir = "{place}/state"\n[forges.here]\nkind = "local"\n'
        f'[projects.greeter]\nforge = "here"\nrepo = "{place}/bare.git"\nunits = ["greeter.service"]\n'
    )
    settings = load(config, env={})
    async with (
        Store.opened(settings.database_url_effective) as store,
        redis.running(settings) as url,
        Bell(url) as bell,
    ):
        desk = Desk(settings, store, bell, Redactor(()), "me", asyncio.Semaphore(1), frozenset())
        task = asyncio.create_task(main.listen(desk, url, Queue.REPORTS))
        try:
            yield desk, url
        finally:
            assert not task.done()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_database_that_is_locked_for_long_loses_no_report(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "INTAKE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(main, "INTAKE_RETRY_S", 0.2)
    async with listening(place) as (desk, _):
        locked = sqlite3.connect(desk.store.place, isolation_level=None)
        locked.execute("begin immediate")
        await desk.bell.failure(REPORT)
        await asyncio.sleep(1)
        locked.execute("rollback")
        locked.close()
        assert await _delivered(desk, "r1") == "proposal"


async def test_a_fault_in_intake_is_told_and_the_next_report_is_taken(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "INTAKE_RETRY_S", 0.1)
    really, broken = intake.failures, True

    async def failures(*args: Any) -> Any:
        if broken:
            raise ZeroDivisionError("division by zero")
        return await really(*args)

    monkeypatch.setattr(intake, "failures", failures)
    async with listening(place) as (desk, _):
        await desk.bell.failure(REPORT)
        await asyncio.sleep(0.5)
        broken = False  # mended, by an upgrade for instance
        assert await _delivered(desk, "r1") == "proposal"


async def test_how_units_stand_becomes_rows_and_no_history(place: Path) -> None:
    state = UnitState(project="greeter", unit="greeter.service", load="loaded", active="failed", result="x")
    async with listening(place) as (desk, _):
        at = await desk.bell.time_us()
        assert abs(at / 1e6 - time.time()) < 5
        for sent, active in ((at + 1, "active"), (at, "failed")):
            item = state.model_copy(update={"active": active})
            await desk.bell.units(UnitStates(host="pi", sent=sent, full=True, items=(item,)))
        async with asyncio.timeout(20):
            while True:
                async with desk.store.read() as tx:
                    found = await units.of_project(tx, "greeter")
                    told, _ = await events.page(tx)
                if [each.active for each in found] == ["active"]:
                    break
                await asyncio.sleep(0.05)
        assert told == []


@pytest.mark.parametrize("message", [None, {}, {"host": "pi", "sent": "now", "full": True}, {"items": 7}])
async def test_how_units_stand_that_cannot_be_read_is_dropped_without_a_word(
    place: Path, message: object
) -> None:
    """It would be a line in the history every few minutes."""
    await _dropped(place, UNITS, message)


async def test_a_message_of_a_later_version_is_dropped(place: Path) -> None:
    """As how units stand is by a worker that does not know it: nothing waits, and the next is taken."""
    await _dropped(place, "not-yet-known", {"host": "pi"})


async def _dropped(place: Path, function: str, message: object) -> None:
    from arq import create_pool

    async with listening(place) as (desk, url):
        pool = await create_pool(redis_settings(url), job_serializer=serialize)
        await pool.enqueue_job(function, message, _queue_name=Queue.REPORTS, _job_id="later")
        await desk.bell.failure(REPORT)
        assert await _delivered(desk, "r1") == "proposal"
        deadline = time.monotonic() + 20
        while left := [key async for key in pool.scan_iter("arq:*later*")]:
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.05)
        assert await pool.zscore(Queue.REPORTS, "later") is None
        await pool.aclose()
        async with desk.store.read() as tx:
            told, _ = await events.page(tx)
        assert "could not be read" not in " ".join(event.text for event in told)


@pytest.mark.parametrize(
    "message", [None, [], "x", {}, {"id": "x" * 300}, {"project": "\ud800"}, {"at": "yesterday"}, {"log": 7}]
)
async def test_what_is_no_report_is_told_and_dropped(place: Path, message: object) -> None:
    from arq import create_pool

    async with listening(place) as (desk, url):
        pool = await create_pool(redis_settings(url), job_serializer=serialize)
        await pool.enqueue_job(FAILURE, message, _queue_name=Queue.REPORTS)
        await pool.aclose()
        await desk.bell.failure(REPORT)
        assert await _delivered(desk, "r1") == "proposal"
        async with desk.store.read() as tx:
            told, _ = await events.page(tx)
        assert "could not be read" in " ".join(event.text for event in told)


async def test_a_redis_that_does_not_answer_keeps_no_worker_from_ending(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "CLOSE_S", 0.2)
    async with listening(place) as (desk, url):
        other = asyncio.create_task(main.listen(desk, url, Queue.PUBLISHER))
        await asyncio.sleep(0.5)
        client = Redis.from_url(url)
        pid = (await client.info("server"))["process_id"]
        await client.aclose()
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(0.3)
            other.cancel()
            done, _ = await asyncio.wait([other], timeout=5)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert done


async def test_a_flood_is_one_incident_with_its_exact_count_and_the_queue_is_empty(place: Path) -> None:
    async with listening(place) as (desk, url):
        for number in range(300):
            await desk.bell.failure(
                REPORT.model_copy(update={"id": f"f{number}", "invocation": f"{number:032x}"})
            )
        recovery = Recovery(
            id="c1", project="greeter", unit="greeter.service", host="pi", after_s=4, result="signal"
        )
        await desk.bell.recovered(recovery)
        assert await _delivered(desk, "c1") == "told"
        for number in range(300):
            assert await _delivered(desk, f"f{number}") == ("counted" if number else "proposal")
        async with desk.store.read() as tx:
            assert (await incidents.get(tx, 1)).count == 300
            told, _ = await events.page(tx, limit=1000)
        assert len([event for event in told if event.kind == "failure.seen"]) < 300
        assert len([event for event in told if event.kind == "incident.opened"]) == 1
        client = Redis.from_url(url)
        deadline = time.monotonic() + 20
        while await client.zcard(Queue.REPORTS):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await client.aclose()


async def test_one_report_that_cannot_be_taken_in_keeps_no_other_back(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "INTAKE_RETRY_S", 0.1)
    really, broken = intake.failures, True

    async def failures(settings: Any, store: Any, redactor: Any, reports: list[Failure]) -> Any:
        if broken and any(report.id == "f3" for report in reports):
            raise ZeroDivisionError("division by zero")
        return await really(settings, store, redactor, reports)

    monkeypatch.setattr(intake, "failures", failures)
    async with listening(place) as (desk, _):
        for number in range(10):
            await desk.bell.failure(REPORT.model_copy(update={"id": f"f{number}"}))
        for number in {*range(10)} - {3}:
            assert await _delivered(desk, f"f{number}") in ("counted", "proposal")
        broken = False
        assert await _delivered(desk, "f3") == "counted"
        async with desk.store.read() as tx:
            assert (await incidents.get(tx, 1)).count == 10


async def _delivered(desk: Desk, report: str) -> str | None:
    async with asyncio.timeout(20):
        while True:
            async with desk.store.read() as tx:
                found = await deliveries.get(tx, "reports", report)
            if found is not None and found.result:
                return found.result
            await asyncio.sleep(0.05)

"""The worker process: listens for rings and reports, sweeps the outbox, ends gracefully."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from arq import Retry
from arq.worker import Worker, func
from pydantic import BaseModel, ValidationError
from redis.exceptions import RedisError

from app.core import garbage, logs, redis
from app.core.errors import PimaintenoError, StoreError
from app.core.queue import (
    FAILURE,
    HEALTH_CHECK_S,
    POLL_DELAY_S,
    RECOVERED,
    RING,
    TICK,
    UNITS,
    Bell,
    Queue,
    client,
    deserialize,
    serialize,
)
from app.core.redact import Redactor
from app.core.reports import Failure, Recovery, Tick
from app.core.tasks import end
from app.core.units import UnitStates
from app.store import events, jobs
from app.store.database import Store
from worker.jobs import Desk
from worker.together import Together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.core.settings import Settings

AGENT, PUBLISHER = "agent", "publisher"
ROLES: dict[str, tuple[Queue, ...]] = {AGENT: (Queue.AGENT,), PUBLISHER: (Queue.REPORTS, Queue.PUBLISHER)}
RECONNECT_S = 0.5
CLOSE_S = 2
AT_ONCE = 50
"""Reports that one transaction takes in; each that waits holds a connection to Redis and its log here."""
INTAKE_TIMEOUT_S = 15
"""Ten seconds more and arq gives a report that a dead worker held to another."""
INTAKE_RETRY_S = 5
INTAKE_RETRY_AT_MOST_S = 600
TIDY_EVERY_S = 24 * 3600
POLL_APART_S = 0.1
"""Between two projects, so that a hundred of them do not start as many gits at once."""

M = TypeVar("M", bound=BaseModel)


async def serve(settings: Settings, roles: Sequence[str] = (AGENT, PUBLISHER)) -> None:
    """Run the worker until SIGTERM or SIGINT; what is at work then goes on from its last stage later."""
    redactor = Redactor(settings.secrets())
    logs.configure(redactor, process="worker")
    logging.getLogger("arq").setLevel(logging.ERROR)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.opened(settings.database_url_effective))
        url = await stack.enter_async_context(redis.running(settings))
        bell = await stack.enter_async_context(Bell(url))
        owner = f"{socket.gethostname()}:{os.getpid()}"
        queues = frozenset(queue for role in roles for queue in ROLES[role])
        agents = asyncio.Semaphore(settings.worker.agents)
        desk = Desk(settings, store, bell, redactor, owner, agents, queues)
        stack.push_async_callback(desk.close)
        tasks = [asyncio.create_task(listen(desk, url, queue)) for queue in queues]
        if PUBLISHER in roles:
            tasks.append(asyncio.create_task(_sweep_for_ever(desk)))
            tasks.append(asyncio.create_task(_poll_for_ever(desk)))
        tasks.append(asyncio.create_task(_tidy_for_ever(desk, roles)))
        garbage.freeze()
        logs.get().info("worker ready", roles=list(roles))
        await _until_stopped(tasks)


async def listen(desk: Desk, url: str, queue: Queue) -> None:
    """Serve one queue for ever; Redis may come and go."""
    log, away = logs.get().bind(queue=queue), False

    async def connected(ctx: dict[str, Any]) -> None:  # noqa: ARG001 - arq passes it by name
        nonlocal away
        if away:
            log.info("Redis is back")
        away = False

    while True:
        worker = _arq_worker(desk, url, queue)
        worker.on_startup = connected
        try:
            await worker.async_run()
        except (RedisError, OSError, TimeoutError) as error:
            if not away:
                log.warning("Redis is away: trying again until it is back", error=str(error))
            away = True
        finally:
            await worker.ctx["failures"].close()
            await _close(worker)
        await asyncio.sleep(RECONNECT_S)


async def _close(worker: Worker) -> None:
    """Let go of the connections; arq's own `close()` uses a name that redis-py has given up.

    A Redis that takes calls and answers none is not waited for: a stop must not hang on it.
    """
    for task in worker.tasks.values():
        task.cancel()
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
    if worker._pool is None:  # noqa: SLF001 - it was never connected
        return
    with suppress(RedisError, OSError):
        async with asyncio.timeout(CLOSE_S):
            await worker.pool.delete(worker.health_check_key)
    with suppress(RedisError, OSError):
        async with asyncio.timeout(CLOSE_S):
            await worker.pool.aclose(close_connection_pool=True)


def _arq_worker(desk: Desk, url: str, queue: Queue) -> Worker:
    functions: dict[str, Callable[..., Awaitable[None]]] = {RING: _ring}
    if queue is Queue.REPORTS:
        functions = {FAILURE: _failure, RECOVERED: _recovered, TICK: _tick, UNITS: _units}
    failures = Together(partial(_failures, desk), at_most=AT_ONCE, weight=lambda report: len(report.log))
    return Worker(
        [func(function, name=name, keep_result=0) for name, function in functions.items()],  # type: ignore[arg-type]
        queue_name=queue,
        redis_pool=client(url),
        max_jobs=AT_ONCE,
        handle_signals=False,
        poll_delay=POLL_DELAY_S,
        job_timeout=INTAKE_TIMEOUT_S,
        max_tries=1_000_000,
        keep_result=0,
        health_check_interval=HEALTH_CHECK_S,
        job_serializer=serialize,
        job_deserializer=deserialize,
        log_results=False,
        ctx={"desk": desk, "queue": queue, "failures": failures},
    )


async def _ring(ctx: dict[str, Any], job_id: int) -> None:
    """Start on a job in the background: the row, not arq, knows whether it was done."""
    desk: Desk = ctx["desk"]
    desk.begin(ctx["queue"], int(job_id))


async def _failure(ctx: dict[str, Any], message: object) -> None:
    failures: Together[Failure] = ctx["failures"]
    await _take_in(ctx, Failure, message, failures.do)


async def _failures(desk: Desk, reports: list[Failure]) -> None:
    """Make failures rows, all at once, and only then start on what is to be done about them."""
    from worker.publisher import intake

    try:
        async with asyncio.timeout(INTAKE_TIMEOUT_S):
            started = await intake.failures(desk.settings, desk.store, desk.redactor, reports)
    except TimeoutError as error:
        raise StoreError("it was not written in time") from error
    for job in started:
        await desk.hand_on(job)


async def _recovered(ctx: dict[str, Any], message: object) -> None:
    from worker.publisher import intake

    desk: Desk = ctx["desk"]

    async def take(report: Recovery) -> None:
        await intake.recovery(desk.settings, desk.store, desk.redactor, report)

    await _take_in(ctx, Recovery, message, take)


async def _tick(ctx: dict[str, Any], message: object) -> None:
    from worker.publisher import intake

    desk: Desk = ctx["desk"]

    async def take(tick: Tick) -> None:
        for job in await intake.tick(desk.settings, desk.store, tick):
            await desk.hand_on(job)

    await _take_in(ctx, Tick, message, take)


async def _units(ctx: dict[str, Any], message: object) -> None:
    """Make rows of how a host's units stand. One that cannot be read is only logged: it comes again."""
    from worker.publisher import standing

    desk: Desk = ctx["desk"]
    try:
        report = UnitStates.model_validate(message)
    except ValidationError as error:
        what = "how units stand could not be read; is the watcher of another version?"
        logs.get().error(what, error=str(error.errors()[0]["loc"]))
        return

    async def take(report: UnitStates) -> None:
        await standing.take_in(desk.settings, desk.store, desk.redactor, report)

    await _take_in(ctx, UnitStates, report, take)


async def _take_in(
    ctx: dict[str, Any], model: type[M], message: object, intake: Callable[[M], Awaitable[None]]
) -> None:
    """Make a report a row; it stays in Redis, and comes again, until that has worked."""
    desk: Desk = ctx["desk"]
    try:
        if (report := await _read(desk, model, message)) is not None:
            await intake(report)
    except asyncio.CancelledError as error:  # arq lets go of what takes too long: a locked database
        logs.get().error("a report waits", error="it was not written in time")
        raise Retry(defer=INTAKE_RETRY_S) from error
    except PimaintenoError as error:
        logs.get().error("a report waits", error=str(error))
        raise Retry(defer=INTAKE_RETRY_S) from error
    except Exception as error:  # a fault of ours: the report is there for the version that mends it
        logs.get().error("a report waits: a fault in PiMainteno", error=str(error), exc_info=error)
        raise Retry(defer=min(INTAKE_RETRY_S * ctx["job_try"], INTAKE_RETRY_AT_MOST_S)) from error


async def _read(desk: Desk, model: type[M], message: object) -> M | None:
    """Return the report, or write into the history that it is none."""
    try:
        return model.model_validate(message)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"a report could not be read: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    logs.get().error(what)
    async with desk.store.write() as tx:
        await events.append(tx, "operator.report", f"{what}; is the watcher of another version?")
    return None


async def _sweep_for_ever(desk: Desk) -> None:
    """Ring for rows that wait too long: Redis forgets, rows do not."""
    from worker.publisher import sweep

    every = desk.settings.worker.sweep_s
    while True:
        try:
            await sweep.sweep(desk.store, desk.bell, ring_again_s=every)
        except PimaintenoError as error:
            logs.get().warning("the outbox could not be swept", error=str(error))
        await asyncio.sleep(every)


async def _poll_for_ever(desk: Desk) -> None:
    """Have each project read from its forge, at start and every few minutes; webhooks only save the wait."""
    while True:
        for project in desk.settings.projects:
            try:
                async with desk.store.write() as tx:
                    job = await jobs.poll(tx, project)
            except PimaintenoError as error:
                logs.get().warning("a project could not be polled", project=project, error=str(error))
                continue
            if job is not None:
                await desk.hand_on(job)
            await asyncio.sleep(POLL_APART_S)
        await asyncio.sleep(desk.settings.worker.poll_s)


async def _tidy_for_ever(desk: Desk, roles: Sequence[str]) -> None:
    """Once a day, let go of what no run needs any more: each role of its own."""
    while True:
        try:
            if AGENT in roles:
                from worker.agent import leftovers

                await leftovers.clear(desk.settings.paths)
            if PUBLISHER in roles:
                from worker.publisher import sweep

                await sweep.tidy(desk.settings, desk.store)
        except (PimaintenoError, OSError) as error:
            logs.get().warning("could not tidy up", error=str(error))
        await asyncio.sleep(TIDY_EVERY_S)


async def _until_stopped(tasks: list[asyncio.Task[None]]) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    stopping = asyncio.create_task(stopped.wait())
    try:
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()  # a listener ends only by a fault: let it be seen
    finally:
        await end((stopping, *tasks))

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from arq.worker import Worker, func
from redis.asyncio import Redis

from app.core import queue
from app.core.errors import QueueError
from app.core.queue import (
    FAILURE,
    RECOVERED,
    RING,
    TICK,
    Bell,
    Queue,
    deserialize,
    redis_settings,
    serialize,
)
from app.core.reports import Failure, Recovery, Tick


@pytest.fixture
async def bell(redis_url: str) -> AsyncIterator[Bell]:
    async with Bell(redis_url) as ours:
        yield ours


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    ours: Redis = Redis.from_url(redis_url)
    yield ours
    await ours.aclose()


async def worked_off(redis_url: str, queue: Queue) -> list[tuple[str, Any]]:
    """Let a real worker take what is queued, and return what it was called with."""
    calls: list[tuple[str, Any]] = []

    def taking(name: str) -> Any:
        async def take(ctx: dict[str, Any], argument: object) -> None:
            calls.append((name, argument))

        return func(take, name=name)

    worker = Worker(
        functions=[taking(RING), taking(FAILURE), taking(RECOVERED), taking(TICK)],
        queue_name=queue,
        redis_settings=redis_settings(redis_url),
        job_serializer=serialize,
        job_deserializer=deserialize,
        burst=True,
        keep_result=0,
        poll_delay=0.01,
        handle_signals=False,
    )
    await worker.main()
    await worker.pool.aclose(close_connection_pool=True)  # Worker.close() calls a name that redis-py gave up
    return calls


async def test_a_ring_carries_the_rows_id_and_nothing_else(bell: Bell, redis_url: str) -> None:
    await bell.ring("pimainteno:agent", 41)
    assert await worked_off(redis_url, Queue.PUBLISHER) == []
    assert await worked_off(redis_url, Queue.AGENT) == [(RING, 41)]


async def test_the_same_row_can_be_rung_again_and_again(bell: Bell, redis_url: str) -> None:
    for _ in range(3):
        await bell.ring(Queue.AGENT, 7)
    assert await worked_off(redis_url, Queue.AGENT) == [(RING, 7)] * 3
    await bell.ring(Queue.AGENT, 7)
    assert await worked_off(redis_url, Queue.AGENT) == [(RING, 7)]


async def test_an_unknown_queue_is_refused(bell: Bell) -> None:
    with pytest.raises(ValueError, match="elsewhere"):
        await bell.ring("elsewhere", 1)


async def test_a_report_travels_whole_and_once(bell: Bell, redis_url: str) -> None:
    report = Failure(
        id="a" * 32, project="greeter", unit="greeter.service", host="pi", log="ä\0\ud7ff \N{BELL}\n"
    )
    await bell.failure(report)
    await bell.failure(report)
    ((name, argument),) = await worked_off(redis_url, Queue.REPORTS)
    assert name == FAILURE
    assert Failure.model_validate(argument) == report


async def test_a_tick_travels_whole_and_once(bell: Bell, redis_url: str) -> None:
    tick = Tick(id="greeter-2026-01-09", project="greeter", day="2026-01-09")
    await bell.tick(tick)
    await bell.tick(tick)
    ((name, argument),) = await worked_off(redis_url, Queue.REPORTS)
    assert name == TICK
    assert Tick.model_validate(argument) == tick


async def test_a_recovery_travels_whole_and_once(bell: Bell, redis_url: str) -> None:
    report = Recovery(
        id="r1", project="greeter", unit="greeter.service", host="pi", after_s=4.5, result="signal"
    )
    await bell.recovered(report)
    await bell.recovered(report)
    ((name, argument),) = await worked_off(redis_url, Queue.REPORTS)
    assert name == RECOVERED
    assert Recovery.model_validate(argument) == report


async def test_a_server_that_goes_dark_is_noticed(
    bell: Bell, client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queue.ANSWER_S * 2 < 30  # an answer, then a greeting on a new connection
    monkeypatch.setattr(queue, "ANSWER_S", 0.3)
    await bell.ping()
    pid = int((await client.info("server"))["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(5):
            with pytest.raises(QueueError, match="cannot be reached"):
                await bell.ring(Queue.AGENT, 1)
            with pytest.raises(QueueError, match="cannot be reached"):
                async with Bell(redis_url) as another:
                    await another.ping()
    finally:
        os.kill(pid, signal.SIGCONT)
    await bell.ring(Queue.AGENT, 2)
    assert (RING, 2) in await worked_off(redis_url, Queue.AGENT)


async def test_a_report_waits_longer_than_a_day(bell: Bell, client: Redis) -> None:
    await bell.failure(Failure(id="x", project="p", unit="u.service", host="h"))
    assert await client.pttl("arq:job:failure:x") > 29 * 24 * 3600 * 1000


async def test_messages_are_json_and_never_pickle(bell: Bell, client: Redis) -> None:
    await bell.ring(Queue.AGENT, 1)
    (key,) = await client.keys("arq:job:*")
    raw = await client.get(key)
    assert json.loads(raw)["a"] == [1]
    assert deserialize(serialize({"a": 1, "b": "ä"})) == {"a": 1, "b": "ä"}
    with pytest.raises(ValueError, match=r"utf-8|decode|Expecting"):
        deserialize(b"\x80\x04}.")


async def test_a_sign_of_life_tells_of_a_worker(bell: Bell, client: Redis) -> None:
    assert not await bell.has_worker(Queue.AGENT)
    await client.set("pimainteno:agent:health-check", "alive")
    assert await bell.has_worker(Queue.AGENT)
    assert not await bell.has_worker(Queue.PUBLISHER)


async def test_many_at_once_share_one_connection_pool(bell: Bell, redis_url: str) -> None:
    await asyncio.gather(*(bell.ring(Queue.AGENT, number) for number in range(50)))
    calls = await worked_off(redis_url, Queue.AGENT)
    assert sorted(argument for _, argument in calls) == list(range(50))


async def test_the_bell_works_again_after_the_server_was_killed(
    bell: Bell, client: Redis, redis_url: str
) -> None:
    await bell.ring(Queue.AGENT, 1)
    os.kill(int((await client.info("server"))["process_id"]), signal.SIGKILL)
    async with asyncio.timeout(20):
        while True:
            try:
                await bell.ring(Queue.AGENT, 2)
                break
            except QueueError:
                await asyncio.sleep(0.05)
    assert (RING, 2) in await worked_off(redis_url, Queue.AGENT)


async def test_a_server_that_is_away_is_one_error_without_the_password() -> None:
    url = "redis://:hunter22@127.0.0.1:1"
    async with Bell(url) as bell:
        for call in (bell.ping(), bell.ring(Queue.AGENT, 1), bell.has_worker(Queue.AGENT)):
            with pytest.raises(QueueError, match=r"Redis at 127\.0\.0\.1:1 cannot be reached") as caught:
                await call
            assert "hunter22" not in str(caught.value)


async def test_closing_twice_is_fine(redis_url: str) -> None:
    bell = Bell(redis_url)
    await bell.ping()
    await bell.close()
    await bell.close()
    await bell.ping()
    await bell.close()


def test_every_kind_of_redis_url_is_understood() -> None:
    given = [redis_settings(url) for url in ("redis://u:p@h:1/2", "rediss://h", "unix:///run/r.sock?db=3")]
    assert (given[0].host, given[0].port, given[0].database, given[0].password) == ("h", 1, 2, "p")
    assert given[1].ssl
    assert given[2].unix_socket_path == "/run/r.sock"


async def test_no_cancellation_is_lost(redis_url: str) -> None:
    """Not even one that comes together with the end of a command: a task that is to end ends."""

    async def ping() -> None:
        while True:
            await ours.ping()

    ours = queue.client(redis_url)
    for number in range(200):
        task = asyncio.create_task(ping())
        for _ in range(number % 37):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=10)
        assert task.cancelled()
    await ours.aclose()

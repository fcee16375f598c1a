"""Queues and jobs by name: the only module, with `worker.main`, that knows arq.

Rows are the truth and Redis is a bell: a ring carries the id of a `jobs` row and nothing else. Only a
watcher's report (a failure, a recovery, a tick, or how units stand) travels in Redis itself, until intake
has made it a row.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from app.core import lean
from app.core.errors import QueueError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from arq.connections import ArqRedis, RedisSettings

    from app.core.reports import Failure, Recovery, Tick
    from app.core.units import UnitStates

POLL_DELAY_S = 0.05
"""arq's own half second, three hops long, would cost more than git does."""
ANSWER_S = 10
"""A stalled disk holds Redis up for two or three seconds; longer, and it is gone."""
REPORT_KEPT_S = 30 * 24 * 3600
STATES_KEPT_S = 600
"""By then the watcher has told how its units stand once more."""
HEALTH_CHECK_S = 5
RING = "ring"
"""The arq function that takes a job's row id."""
FAILURE = "failure"
RECOVERED = "recovered"
TICK = "tick"
UNITS = "units"
"""A worker of a version that does not know it drops the message, which comes again; nothing is lost."""


class Queue(StrEnum):
    """The three queues; `reports` and `publisher` are served by the publisher role."""

    REPORTS = "pimainteno:reports"
    AGENT = "pimainteno:agent"
    PUBLISHER = "pimainteno:publisher"


def serialize(message: dict[str, Any]) -> bytes:
    """Return an arq message as JSON; pickle would let whoever writes to Redis run code."""
    return json.dumps(message, default=str, separators=(",", ":")).encode()


def deserialize(raw: bytes) -> dict[str, Any]:
    """Return an arq message from JSON."""
    message: dict[str, Any] = json.loads(raw)
    return message


def _load_redis() -> None:
    """Import redis-py, on first use: whoever only looks at a page needs none.

    The worker has imported it before, whole: a GitHub App signs with PyJWT and cryptography.
    """
    with lean.without("cryptography"):
        import redis.asyncio  # noqa: F401


def redis_settings(url: str) -> RedisSettings:
    """Return arq's settings for a Redis URL (`redis://`, `rediss://` or `unix://`)."""
    _load_redis()
    from arq.connections import RedisSettings
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff
    from redis.exceptions import BusyLoadingError
    from redis.exceptions import ConnectionError as RedisConnectionError

    settings = RedisSettings.from_dsn(url)
    settings.conn_retries = 0
    settings.conn_timeout = 5
    # only what may pass at once is tried again: silence, six times over, would last for a minute
    settings.retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), 6, (RedisConnectionError,))
    settings.retry_on_error = [RedisConnectionError, BusyLoadingError]
    return settings


def client(url: str) -> ArqRedis:
    """Return arq's client for a Redis URL; it connects on first use.

    Each answer is waited for `ANSWER_S` seconds, so that a Redis that went dark is noticed; arq's own
    `create_pool` waits for ever.
    """
    from arq.connections import ArqRedis

    settings = redis_settings(url)
    made = ArqRedis(
        host=str(settings.host),
        port=settings.port,
        unix_socket_path=settings.unix_socket_path,
        ssl=settings.ssl,
        ssl_check_hostname=settings.ssl_check_hostname,
        db=settings.database,
        username=settings.username,
        password=settings.password,
        socket_connect_timeout=settings.conn_timeout,
        socket_timeout=ANSWER_S,
        socket_keepalive=True,
        retry=settings.retry,
        retry_on_error=settings.retry_on_error,
        job_serializer=serialize,
        job_deserializer=deserialize,
    )
    pool = made.connection_pool
    pool.connection_class = type("Connection", (_PlainSend, pool.connection_class), {})
    return made


class _PlainSend:
    """Sends a command without `asyncio.wait_for`; answers are waited for as ever.

    Before Python 3.12 that loses a cancellation which comes together with its result
    (https://github.com/python/cpython/issues/86296), and a task that is to end goes on.
    """

    async def send_packed_command(self: Any, command: Any, check_health: bool = True) -> None:  # noqa: ANN401 - redis-py's
        """Send; nothing that we send fills a socket, so it takes no time."""
        if not self.is_connected:
            await self.connect()
        patience, self.socket_timeout = self.socket_timeout, None
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        finally:
            self.socket_timeout = patience


class Bell:
    """Rings for job rows and sends reports; connects on first use and anew when Redis was away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: ArqRedis | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def ready(self) -> None:
        """Load what it takes to ring, beside the event loop: the first time it takes half a second."""
        if self._pool is None:
            await asyncio.to_thread(redis_settings, self._url)

    async def ring(self, queue: str, job_id: int) -> None:
        """Tell the queue's workers to look at the row of that job; raises QueueError."""
        # each ring has an id of its own: arq drops an id that it still knows
        await self._enqueue(RING, job_id, queue=Queue(queue), ring=f"{job_id}:{time.time_ns()}")

    async def failure(self, report: Failure) -> None:
        """Send a failure to intake; the same report twice is one; raises QueueError."""
        await self._enqueue(
            FAILURE, report.model_dump(mode="json"), queue=Queue.REPORTS, ring=f"failure:{report.id}"
        )

    async def recovered(self, report: Recovery) -> None:
        """Send word of a unit that came back by itself; the same report twice is one; raises QueueError."""
        await self._enqueue(
            RECOVERED, report.model_dump(mode="json"), queue=Queue.REPORTS, ring=f"recovered:{report.id}"
        )

    async def tick(self, tick: Tick) -> None:
        """Send a tick to intake; the same tick twice is one; raises QueueError."""
        await self._enqueue(TICK, tick.model_dump(mode="json"), queue=Queue.REPORTS, ring=f"tick:{tick.id}")

    async def units(self, report: UnitStates) -> None:
        """Send how the units on a host stand; raises QueueError."""
        message, ring = report.model_dump(mode="json"), f"units:{report.host}:{report.bus}:{report.sent}"
        await self._enqueue(UNITS, message, queue=Queue.REPORTS, ring=ring, expires_s=STATES_KEPT_S)

    async def time_us(self) -> int:
        """Return Redis's clock in microseconds: the one that all hosts share; raises QueueError."""
        with _translated(self._url):
            seconds, micros = await self._connected().time()
            return int(seconds) * 1_000_000 + int(micros)

    async def ping(self) -> None:
        """Raise QueueError unless Redis answers."""
        with _translated(self._url):
            await self._connected().ping()

    async def has_worker(self, queue: Queue) -> bool:
        """Tell whether a worker of that queue gave a sign of life in the last seconds; raises QueueError."""
        with _translated(self._url):
            return bool(await self._connected().exists(f"{queue}:health-check"))

    async def _enqueue(
        self, function: str, argument: object, *, queue: Queue, ring: str, expires_s: int = REPORT_KEPT_S
    ) -> None:
        with _translated(self._url):
            await self._connected().enqueue_job(
                function, argument, _job_id=ring, _queue_name=queue, _expires=expires_s
            )

    def _connected(self) -> ArqRedis:
        if self._pool is None:
            self._pool = client(self._url)
        return self._pool


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn Redis's errors into QueueError, with what to do."""
    _load_redis()
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        where = url.rsplit("@", 1)[-1]
        raise QueueError(
            f"Redis at {where} cannot be reached ({error}): start it, or set redis_url"
        ) from error

"""Measure webhooks: signed deliveries a second, the time to an answer, and what a killed process leaves.

Run `.venv/bin/python -m tests.bench.webhooks`; DELIVERIES=500 for a short one. The real web process with
SQLite takes GitHub's own payloads about fifty open proposals. The bare route below takes the same bytes: it
checks the HMAC and inserts one row through the same engine, in one transaction, with the same `synchronous`.
The two are asked in turn, over one connection that is kept, then over eight at once. Then fifty deliveries a
second come while a real worker takes in reports as fast as it can; and last the web process is killed in the
middle of its work. Prints medians, the ratios, the p99 and what was lost.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app.core import redis
from app.core.queue import Bell
from app.core.reports import Failure
from app.core.settings import load
from tests.bench.webhooks_sent import REPO, SECRET, add_proposals, deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.core.settings import Settings

DELIVERIES = int(os.environ.get("DELIVERIES", "2000"))
"""In each round, to each of the two."""
ROUNDS = 5
BURST = 8
"""Connections at once; GitHub sends what one push leads to side by side."""
RATE, SECONDS, WARM_S = 50, 20, 5
REPORTS_AHEAD = 500
BARE = """
import hashlib, hmac, sys
from contextlib import asynccontextmanager
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from sqlalchemy import insert
from app.core.base import now
from app.store.database import Store
from app.store.tables import deliveries

url, secret, port = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])

@asynccontextmanager
async def lifespan(app):
    async with Store.opened(url) as app.state.store:
        yield

app = FastAPI(lifespan=lifespan)

@app.post("/webhooks/hub", status_code=202)
async def webhook(request: Request):
    made = "sha256=" + hmac.new(secret, await request.body(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made, request.headers.get("x-hub-signature-256", "")):
        raise HTTPException(401)
    row = {
        "source": "hub",
        "delivery_id": request.headers["x-github-delivery"],
        "event": request.headers["x-github-event"],
        "received_at": now(),
    }
    async with app.state.store.write() as tx:
        await tx.execute(insert(deliveries).values(row))
    return {"result": "accepted"}

uvicorn.run(app, port=port, access_log=False, log_level="warning")
"""
"""What PiMainteno is compared with: no cap, no time limit, no look at the payload, nothing that follows."""


async def main() -> None:
    """Measure and print."""
    place = Path(tempfile.mkdtemp(prefix="pm-bench-", dir="/var/tmp"))
    ours, bare = _free_port(), _free_port()
    config = place / "pimainteno.toml"
    config.write_text(
        f'state_dir = "{place}/state"\n[web]\nport = {ours}\n[forges.hub]\nkind = "github"\n'
        f'api_url = "http://127.0.0.1:1/api/v3"\ntoken = "none"\nwebhook_secret = "{SECRET}"\n'
        f'[projects.greeter]\nforge = "hub"\nrepo = "{REPO}"\nunits = ["greeter.service"]\n'
    )
    settings = load(config, env={})
    started: list[subprocess.Popen[bytes]] = []
    try:
        async with redis.running(settings) as url:
            await add_proposals(settings)
            started.append(web := _start(place, "-m", "app.cli", "--config", str(config), "web"))
            database = f"sqlite+aiosqlite:///{place}/bare.sqlite3"
            started.append(_start(place, "-c", BARE, database, SECRET, str(bare)))
            for port in (ours, bare):
                await _up(port)
            print(
                f"machine: {platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
                f"Python {platform.python_version()}"
            )
            for connections in (1, BURST):
                await _rates(ours, bare, connections)
            started.append(_start(place, "-m", "app.cli", "--config", str(config), "worker"))
            started.append(_start(place, "-m", "tests.bench.webhooks", str(config), url))
            await _busy(settings, ours)
            await _killed(settings, web, ours)
    finally:
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(place)


async def _rates(ours: int, bare: int, connections: int) -> None:
    sent = deliveries()
    for port in (ours, bare):
        await _send(port, sent, 200, connections)  # both have imported all
    rates: dict[int, list[float]] = {ours: [], bare: []}
    for _ in range(ROUNDS):
        for port, of_port in rates.items():
            of_port.append(DELIVERIES / await _send(port, sent, DELIVERIES, connections))
    one, other = (statistics.median(rates[port]) for port in (bare, ours))
    print(f"{ROUNDS} rounds of {DELIVERIES} signed deliveries in turn, connections at once: {connections}")
    print(f"bare route: {one:.0f}/s (from {min(rates[bare]):.0f} to {max(rates[bare]):.0f})")
    print(f"PiMainteno: {other:.0f}/s (from {min(rates[ours]):.0f} to {max(rates[ours]):.0f})")
    print(f"ratio: {other / one:.2f} (goal: at least 0.6)")


async def _send(port: int, sent: Iterator[tuple[str, bytes]], count: int, connections: int) -> float:
    """Send so many over several connections, and return how many seconds it took."""
    left = iter(range(count))

    async def one() -> None:
        async with _Connection(port) as connection:
            for _ in left:
                status = await connection.ask(next(sent)[1])
                assert status == 202, status

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(connections)))
    return time.monotonic() - began


async def _busy(settings: Settings, port: int) -> None:
    """Send at a steady rate while the worker has more to do than it can."""
    while not _rows(settings, "select coalesce(sum(count), 0) from incidents"):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await _steadily(port, WARM_S)  # the worker has imported all
    before = _rows(settings, "select sum(count) from incidents")
    took = await _steadily(port, SECONDS)
    counted = _rows(settings, "select sum(count) from incidents") - before
    p50, p99 = (statistics.quantiles(took, n=100)[at] * 1000 for at in (49, 98))
    print(f"{RATE} deliveries/s for {SECONDS} s, while a worker took in {counted / SECONDS:.0f} reports/s")
    print(f"answer: median {p50:.1f} ms, p99 {p99:.1f} ms (goal: under 100), last {max(took) * 1000:.1f} ms")


async def feed(settings: Settings, url: str) -> None:
    """Keep some hundred reports waiting, from a process of its own as watchers are."""
    number = 0
    async with Bell(url) as bell:
        while True:
            taken = _rows(settings, "select count(*) from deliveries where source = 'reports'")
            for _ in range(max(0, taken + REPORTS_AHEAD - number)):
                report = Failure(
                    project="greeter",
                    unit="greeter.service",
                    host="pi",
                    exit_status="1",
                    invocation=f"{number:032x}",
                    log="IndexError: list index out of range",
                )
                await bell.failure(report)
                number += 1
            await asyncio.sleep(0.2)


async def _steadily(port: int, seconds: int) -> list[float]:
    """Return the seconds from the moment at which each was to be sent until its answer."""
    sent, took = deliveries(), []
    next(sent)  # makes them all ready, before the clock runs
    free: asyncio.Queue[_Connection] = asyncio.Queue()

    async def one(at: float) -> None:
        connection = await free.get() if not free.empty() else await _Connection(port).__aenter__()
        assert await connection.ask(next(sent)[1]) == 202
        took.append(time.monotonic() - at)
        free.put_nowait(connection)

    began, tasks = time.monotonic(), []
    for number in range(RATE * seconds):
        at = began + number / RATE
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        tasks.append(asyncio.create_task(one(at)))
    await asyncio.gather(*tasks)
    while not free.empty():
        await free.get_nowait().__aexit__()
    return took


async def _killed(settings: Settings, web: subprocess.Popen[bytes], port: int) -> None:
    """Kill the web process while it answers; each delivery that it has accepted must be a row."""
    sent, accepted = deliveries(), set()

    async def one() -> None:
        with suppress(OSError, EOFError):
            async with _Connection(port) as connection:
                while True:
                    delivery, request = next(sent)
                    if await connection.ask(request) == 202:
                        accepted.add(delivery)

    sending = [asyncio.create_task(one()) for _ in range(BURST)]
    while len(accepted) < 500:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    web.send_signal(signal.SIGKILL)
    await asyncio.gather(*sending)
    web.wait()
    with closing(sqlite3.connect(settings.paths.database)) as database:
        query = "select delivery_id from deliveries where source = 'hub'"
        lost = accepted - {row[0] for row in database.execute(query)}
    print(f"killed after {len(accepted)} answers: {len(lost)} of these deliveries are lost (goal: 0)")


class _Connection:
    """One keep-alive connection, with as little of HTTP as it takes."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> _Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, request: bytes) -> int:
        """Send a request and return the status of its answer."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(head.split()[1])


async def _up(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def _start(place: Path, *argv: str) -> subprocess.Popen[bytes]:
    with (place / "log").open("ab") as log:
        return subprocess.Popen([sys.executable, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _rows(settings: Settings, query: str) -> int:
    with closing(sqlite3.connect(f"file:{settings.paths.database}?mode=ro", uri=True)) as database:
        return int(database.execute(query).fetchone()[0])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(feed(load(Path(sys.argv[1]), env={}), sys.argv[2]))
    else:
        asyncio.run(main())

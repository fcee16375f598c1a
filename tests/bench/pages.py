"""Measure the pages of a store with 10,000 proposals and 1,000,000 lines of history, beside a bare route.

Run `.venv/bin/python -m tests.bench.pages`; REQUESTS=50, MANY=500, PROPOSALS=1000 and EVENTS=20000 make a
short one. One process serves the real application, and on a second port a bare FastAPI route that renders the
same template with the same data from memory (for the interface: the same JSON). Both are asked in turn, over
connections that are kept, and a proposal changes before each question. Prints p50 and p95 of both, their
ratio, the slowest queries, the memory before and after 10,000 requests, and how long a change takes to reach
200 open streams. Needs a quiet machine.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import event

from app.core.queue import Bell
from app.core.redact import Redactor
from app.core.settings import load
from app.store import events, proposals
from app.store.database import Store
from app.web.main import create_app
from tests.bench import pages_year

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

REQUESTS, MANY = int(os.environ.get("REQUESTS", "300")), int(os.environ.get("MANY", "10000"))
PROPOSALS, EVENTS = int(os.environ.get("PROPOSALS", "10000")), int(os.environ.get("EVENTS", "1000000"))
STREAMS, WARM, SLOWEST = 200, 20, 5
OPEN = PROPOSALS // 2 // 25 * 25
"""A proposal that is open."""
TOKEN = "bench-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
PATHS = (
    "/",
    "/?q=number+5",
    "/?state=ready",
    f"/proposals/{OPEN}",
    "/history",
    "/history?kind=operator.",
    "/projects/project-0",
    "/api/v1/proposals",
    "/api/v1/history",
)


async def main() -> None:
    """Measure and print."""
    place = Path(tempfile.mkdtemp(prefix="pm-bench-", dir="/var/tmp"))
    ours, bare = _free_port(), _free_port()
    config = place / "pimainteno.toml"
    names = [f"project-{number}" for number in range(pages_year.PROJECTS)]
    config.write_text(
        f'state_dir = "{place}/state"\nredis_url = "redis://127.0.0.1:1"\n[web]\nport = {ours}\n'
        f'[web.tokens.bench]\ntoken = "{TOKEN}"\nrole = "viewer"\n[forges.here]\nkind = "local"\n'
        + "".join(f'[projects.{name}]\nforge = "here"\nrepo = "/srv/{name}.git"\n' for name in names)
    )
    settings = load(config, env={})
    settings.state_dir.mkdir()
    server: subprocess.Popen[bytes] | None = None
    try:
        async with Store.opened(settings.database_url_effective) as store:
            began = time.monotonic()
            await pages_year.fill(store, proposals=PROPOSALS, events=EVENTS)
            size = settings.paths.database.stat().st_size / 1e6
            print(
                f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
                f"{PROPOSALS:,} proposals, {EVENTS:,} lines, {size:.0f} MB, "
                f"{time.monotonic() - began:.0f} s to fill"
            )
            server = subprocess.Popen(  # noqa: ASYNC220 - it lives as long as we do
                [sys.executable, "-m", "tests.bench.pages", str(config), str(ours), str(bare)]
            )
            both = _up(ours), _up(bare)
            for path in PATHS:
                await _compare(store, path, *both)
            _tell_slowest(both[1])
            _memory(*both)
            await _streams(store, ours)
    finally:
        if server is not None:
            server.terminate()
            print(f"ended {server.wait(30)}")
        shutil.rmtree(place, ignore_errors=True)


async def _compare(
    store: Store, path: str, ours: http.client.HTTPConnection, bare: http.client.HTTPConnection
) -> None:
    took: dict[http.client.HTTPConnection, list[float]] = {ours: [], bare: []}
    for number in range(WARM + REQUESTS):
        await _change(store, number)
        for connection, times in took.items():
            began = time.perf_counter()
            _ask(connection, path)
            if number >= WARM:
                times.append((time.perf_counter() - began) * 1000)
    (p50, p95), (bare50, bare95) = (_quantiles(times) for times in took.values())
    print(
        f"{path:32} p50 {p50:6.1f} ms, p95 {p95:6.1f} ms; bare {bare50:6.1f} and {bare95:6.1f} ms: "
        f"{p50 / bare50:4.1f} and {p95 / bare95:4.1f} times",
        flush=True,
    )


async def _change(store: Store, number: int) -> int:
    """Change a proposal as the worker does, and return the line of it."""
    async with store.write() as tx:
        await proposals.update(tx, OPEN, ci="success" if number % 2 else "pending")
        told = await events.append(tx, "proposal.ci", "CI says so", project="project-0", proposal=OPEN)
    return told.id


def _tell_slowest(bare: http.client.HTTPConnection) -> None:
    for took, statement in json.loads(_ask(bare, "/bench"))["slowest"]:
        print(f"query: {took:5.1f} ms  {' '.join(statement.split()).partition(' FROM ')[2][:150]}")


def _memory(ours: http.client.HTTPConnection, bare: http.client.HTTPConnection) -> None:
    sizes = []
    for _ in range(4):
        sizes.append(json.loads(_ask(bare, "/bench"))["rss"] / 1e6)
        for number in range(MANY // 3):
            _ask(ours, PATHS[number % len(PATHS)])
    print(f"memory over {MANY:,} requests: {', '.join(f'{size:.1f}' for size in sizes)} MB", flush=True)


async def _streams(store: Store, port: int) -> None:
    async with AsyncExitStack() as held:
        readers = []
        for _ in range(STREAMS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            held.callback(writer.close)
            writer.write(
                f"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
            )
            readers.append(reader)
        await asyncio.gather(*(reader.readuntil(b"id: ") for reader in readers))
        took = []
        for number in range(20):
            line = await _change(store, number)
            began = time.perf_counter()
            await asyncio.gather(*(reader.readuntil(b"id: %d\n" % line) for reader in readers))
            took.append(time.perf_counter() - began)
    print(
        f"a change reaches {STREAMS} streams: median {statistics.median(took):.2f} s, most {max(took):.2f} s"
    )


def _quantiles(times: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=20)
    return cuts[9], cuts[18]


def _ask(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path, headers=HEADERS)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, (path, answer.status, content[:300])
    return content


def _up(port: int) -> http.client.HTTPConnection:
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.connect()
        except OSError:
            time.sleep(0.1)
        else:
            assert connection.sock is not None
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise AssertionError(f"nobody answers at port {port}")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class _Remembering:
    """Templates that keep what was rendered last under each address."""

    def __init__(self, templates: Any) -> None:
        self.templates = templates
        self.kept: dict[str, tuple[str, dict[str, Any]]] = {}
        self.globals = templates.globals

    def get_template(self, name: str) -> Any:
        remembering = self

        class Template:
            def render(self, **values: Any) -> str:
                remembering.kept[values["here"]] = (name, values)
                return str(remembering.templates.get_template(name).render(**values))

        return Template()


def _timed(engine: AsyncEngine) -> list[tuple[float, str]]:
    slowest: list[tuple[float, str]] = []

    def before(connection: Any, *_: object) -> None:
        connection.info["began"] = time.perf_counter()

    def after(connection: Any, _cursor: object, statement: str, *_: object) -> None:
        slowest.append(((time.perf_counter() - connection.info["began"]) * 1000, statement))
        slowest.sort(reverse=True)
        del slowest[SLOWEST:]

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", after)
    return slowest


async def both(config: Path, ours: int, bare: int) -> None:
    """Serve the application, and the bare routes that it is compared with."""
    settings = load(config, env={})
    memory: dict[str, Any] = {}
    async with Store.opened(settings.database_url_effective) as store, Bell("redis://127.0.0.1:1") as bell:
        app = create_app(settings, store=store, bell=bell, redactor=Redactor(settings.secrets()))
        app.state.templates = templates = _Remembering(app.state.templates)
        slowest = _timed(store._engine)
        plain = FastAPI()

        @plain.get("/bench")
        async def bench() -> JSONResponse:
            return JSONResponse({"rss": psutil.Process().memory_info().rss, "slowest": slowest})

        @plain.get("/{path:path}")
        async def route(request: Request) -> Response:
            here = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
            if here not in templates.kept and here not in memory:
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                    memory[here] = (await client.get(here, headers=HEADERS)).json()
            if here in memory:
                return JSONResponse(memory[here])
            name, values = templates.kept[here]
            return HTMLResponse(templates.templates.get_template(name).render(**values))

        servers = [
            uvicorn.Server(
                uvicorn.Config(
                    each,
                    port=port,
                    access_log=False,
                    log_level="warning",
                    lifespan="off",
                    timeout_keep_alive=3600,
                )
            )
            for each, port in ((app, ours), (plain, bare))
        ]
        await asyncio.gather(*(server.serve() for server in servers))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(both(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
    else:
        asyncio.run(main())

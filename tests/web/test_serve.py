"""The web process itself: a real server on loopback, real Redis, signals, a taken port, and its memory."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from app.core import process, redis
from app.core.errors import PimaintenoError
from app.core.queue import Bell, Queue
from app.store.database import Store
from app.web.main import serve
from tests.web.conftest import TOKENS, add_proposal, make_settings
from tests.web.sending import github, pull_request, settings_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.settings import Settings

MOST_MEMORY_MB = 90
PROGRAM = """
import asyncio, sys
from pathlib import Path
from app.core.settings import load
from app.web.main import serve
asyncio.run(serve(load(Path(sys.argv[1])), ready=lambda address: print(address, flush=True)))
"""
VIEWER = {"authorization": f"Bearer {TOKENS['viewer']}"}
UNREACHABLE = "redis://127.0.0.1:1"


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A real server in this process, until the block ends."""
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, stop=stop, ready=address.set_result))
    try:
        await asyncio.wait({serving, address}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        async with httpx.AsyncClient(base_url=await address) as client:
            yield client
    finally:
        stop.set()
        await serving


@pytest.fixture
def away(settings: Settings, store: Store) -> Settings:
    """Settings of a site whose Redis is away; the store is there."""
    return settings.model_copy(update={"redis_url": UNREACHABLE})


async def test_it_is_ready_with_database_and_redis(place: Path) -> None:
    async with served(make_settings(place)) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = await client.get("/readyz", headers=VIEWER)
        assert (ready.status_code, ready.json()) == (
            200,
            {"status": "ready", "database": "ok", "redis": "ok"},
        )
        assert "server" not in ready.headers


async def test_without_redis_it_lives_and_says_what_is_missing(away: Settings) -> None:
    async with served(away) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/", headers=VIEWER)).status_code == 200
        ready = await client.get("/readyz", headers=VIEWER)
        assert ready.status_code == 503
        assert ready.json()["database"] == "ok"
        assert "127.0.0.1:1 cannot be reached" in ready.json()["redis"]


async def test_an_action_rings_the_bell(place: Path) -> None:
    settings = make_settings(place)
    async with redis.running(settings) as url, Bell(url) as bell, served(settings) as client:
        async with Store.opened(settings.database_url_effective) as store:
            number = await add_proposal(store)
        headers = {"authorization": f"Bearer {TOKENS['operator']}"}
        answer = await client.post(f"/api/v1/proposals/{number}/merge", headers=headers)
        assert answer.status_code == 202
        async with asyncio.timeout(10):
            while await (await bell._connected()).zcard(Queue.PUBLISHER) == 0:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:1"}, 200),
        ({"host": "evil.example"}, 401),
        ({"x-forwarded-for": "127.0.0.1"}, 401),
        ({"forwarded": "for=127.0.0.1"}, 401),
        ({"x-real-ip": "127.0.0.1"}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Bearer {TOKENS['viewer']}", "x-forwarded-for": "192.0.2.7"}, 200),
    ],
)
async def test_the_server_itself_believes_no_header(
    away: Settings, headers: dict[str, str], status: int
) -> None:
    open_here = away.model_copy(update={"web": away.web.model_copy(update={"login": False})})
    async with served(open_here) as client:
        assert (await client.get("/api/v1/proposals", headers=headers)).status_code == status


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def test_webhooks_can_listen_on_a_port_of_their_own(place: Path) -> None:
    port = free_port()
    settings = settings_of(place / "state", redis_url=UNREACHABLE)
    settings = settings.model_copy(
        update={"web": settings.web.model_copy(update={"webhook_port": port, "tokens": {}})}
    )
    sent = github("pull_request", pull_request())
    address = f"/webhooks/{sent.forge}"
    async with served(settings) as page, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as hooks:
        taken = await hooks.post(address, content=sent.body, headers=sent.headers)
        assert taken.status_code == 202
        assert (await hooks.post(address, content=b"{}", headers={"accept": "text/html"})).status_code == 401
        assert (await hooks.get("/healthz")).json() == {"status": "ok"}
        for path in ("/", "/login", "/readyz", "/metrics", "/api/v1/proposals", "/static/style.css", "/live"):
            for accept in ("*/*", "text/html"):
                answer = await hooks.get(path, headers={"accept": accept})
                assert answer.status_code == 404, path
                assert answer.headers["content-type"] == "application/problem+json"
        refused = await page.post(address, content=sent.body, headers=sent.headers)
        assert refused.status_code == 404
        assert (await page.get("/healthz")).status_code == 200


async def test_a_taken_webhook_port_is_one_line(away: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        web = away.web.model_copy(update={"webhook_port": port})
        with pytest.raises(PimaintenoError, match=f"port {port} cannot be opened"):
            await serve(away.model_copy(update={"web": web}), stop=asyncio.Event())


async def test_a_taken_port_is_one_line(away: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        web = away.web.model_copy(update={"port": port})
        with pytest.raises(PimaintenoError, match=f"port {port} cannot be opened") as error:
            await serve(away.model_copy(update={"web": web}), stop=asyncio.Event())
    assert "\n" not in str(error.value)


async def test_the_process_is_small_and_ends_on_sigterm(place: Path) -> None:
    configuration = place / "pimainteno.toml"
    configuration.write_text(
        f'state_dir = "{place / "state"}"\nredis_url = "{UNREACHABLE}"\n[web]\nport = 0\nlogin = false\n',
        "utf-8",
    )
    argv = [sys.executable, "-P", "-c", PROGRAM, str(configuration)]
    async with process.start(argv, env=process.environment(PYTHONPATH=str(Path.cwd()))) as web:
        assert web.stdout is not None
        async with asyncio.timeout(30):
            address = (await web.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(base_url=address) as client:
            assert (await client.get("/", headers={"accept": "text/html"})).status_code == 200
        memory_mb = psutil.Process(web.pid).memory_info().rss / 1e6
        web.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.exited(web) == 0
    assert memory_mb <= MOST_MEMORY_MB, f"{memory_mb:.0f} MB"


async def test_heavy_libraries_stay_out() -> None:
    heavy = ["arq", "redis", "alembic", "githubkit", "gitlab", "pygit2", "typer"]
    code = f"import json, sys, app.web.main; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    argv = [sys.executable, "-P", "-c", code]
    ended = await process.run(argv, env=process.environment(PYTHONPATH=str(Path.cwd())))
    assert json.loads(ended.stdout) == []

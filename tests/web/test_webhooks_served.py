"""Deliveries to the real web process: slow, cut, chunked, too large, and a kill right after the answer."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from app.core import process
from app.store.database import Store
from app.web import bodies, main
from tests.web.sending import REPO, SECRET, github, ours, pull_request, row_of, settings_of
from tests.web.test_serve import PROGRAM, UNREACHABLE, served

if TYPE_CHECKING:
    from app.core.settings import Settings
    from tests.web.sending import Sent


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "state", redis_url=UNREACHABLE)


def head_of(sent: Sent, **more: str) -> bytes:
    """Return a request's first lines, without a length."""
    headers = {"Host": "127.0.0.1", **sent.headers, **{name.replace("_", "-"): v for name, v in more.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /webhooks/{sent.forge} HTTP/1.1\r\n{lines}\r\n".encode()


async def connected(client: httpx.AsyncClient) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(client.base_url.host, client.base_url.port)


async def status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(10):
        return int((await reader.readuntil(b"\r\n")).split()[1])


async def drip(client: httpx.AsyncClient, sent: Sent) -> int:
    """Send a byte now and then until there is an answer and the connection is closed; return its status."""
    reader, writer = await connected(client)
    writer.write(head_of(sent, Content_Length=str(len(sent.body))))
    answer = asyncio.create_task(status(reader))
    for byte in sent.body:
        writer.write(bytes([byte]))
        await asyncio.wait([answer], timeout=0.05)
        if answer.done():
            break
    code = await answer
    async with asyncio.timeout(10):
        with suppress(ConnectionResetError):  # what it has sent since is not read any more
            await reader.read()
    writer.close()
    return code


async def test_dripped_bodies_are_ended_in_time(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "WHOLE_S", 0.5)
    dripped = [github("pull_request", pull_request()) for _ in range(20)]
    async with served(settings) as client:
        assert await asyncio.gather(*(drip(client, sent) for sent in dripped)) == [408] * len(dripped)
    assert [await row_of(store, sent) for sent in dripped] == [None] * len(dripped)


async def test_dripped_bodies_keep_nobody_waiting(settings: Settings, store: Store) -> None:
    slow, whole = github("pull_request", pull_request()), github("pull_request", pull_request())
    async with served(settings) as client:
        writers = [(await connected(client))[1] for _ in range(50)]
        for writer in writers:
            writer.write(head_of(slow, Content_Length=str(len(slow.body))) + slow.body[:-1])
            await writer.drain()
        assert (await whole.to(client)).status_code == 202
        assert await row_of(store, slow) is None
        for writer in writers:
            writer.write(slow.body[-1:])
            await writer.drain()
        async with asyncio.timeout(10):
            while await row_of(store, slow) is None:  # noqa: ASYNC110 - SQLite tells nobody
                await asyncio.sleep(0.02)
        for writer in writers:
            writer.close()


async def test_a_body_that_is_cut_off_leaves_nothing(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = github("pull_request", pull_request())
    async with served(settings) as client:
        _, writer = await connected(client)
        writer.write(head_of(cut, Content_Length=str(len(cut.body))) + cut.body[:-1])
        writer.close()
        await writer.wait_closed()
        assert (await github("ping", {}).to(client)).status_code == 202
    assert await row_of(store, cut) is None
    assert "request failed" not in capsys.readouterr().err


async def test_a_chunked_body_is_taken(settings: Settings, store: Store) -> None:
    sent = github("pull_request", pull_request())

    async def chunks() -> asyncio.AsyncIterator[bytes]:  # type: ignore[name-defined]
        for start in range(0, len(sent.body), 7):
            yield sent.body[start : start + 7]

    async with served(settings) as client:
        answer = await client.post("/webhooks/hub", content=chunks(), headers=sent.headers)
    assert (answer.status_code, answer.request.headers["transfer-encoding"]) == (202, "chunked")


async def test_who_asks_before_sending_too_much_is_told_at_once(settings: Settings, store: Store) -> None:
    sent = github("pull_request", pull_request())
    async with served(settings) as client:
        reader, writer = await connected(client)
        writer.write(head_of(sent, Content_Length=str(10**9), Expect="100-continue"))
        assert await status(reader) == 413
        writer.close()


@pytest.mark.parametrize("chunked", [False, True])
async def test_who_sends_too_much_without_asking_reads_the_reason(
    settings: Settings, store: Store, chunked: bool
) -> None:
    sent = github("pull_request", {**pull_request(), "pad": "x" * (26 * 1024 * 1024)})

    async def pieces() -> asyncio.AsyncIterator[bytes]:  # type: ignore[name-defined]
        for start in range(0, len(sent.body), 65_536):
            yield sent.body[start : start + 65_536]

    async with served(settings) as client:
        content = pieces() if chunked else sent.body
        answer = await client.post("/webhooks/hub", content=content, headers=sent.headers, timeout=30)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_answers_are_not_held_back() -> None:
    """Without it the second of two small packets waits for the first one's acknowledgement, 40 ms."""
    with main._listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_what_was_answered_is_kept_though_the_process_is_killed(place: Path) -> None:
    state = place / "state"
    configuration = place / "pimainteno.toml"
    configuration.write_text(
        f'state_dir = "{state}"\nredis_url = "{UNREACHABLE}"\n[web]\nport = 0\n'
        f'[forges.hub]\nkind = "github"\nwebhook_secret = "{SECRET}"\n'
        f'[projects.greeter]\nforge = "hub"\nrepo = "{REPO}"\n'
    )
    async with Store.opened(f"sqlite+aiosqlite:///{state}/pimainteno.sqlite3") as store:
        number = await ours(store)
    argv = [sys.executable, "-P", "-c", PROGRAM, str(configuration)]
    sent = [github("pull_request", pull_request()) for _ in range(20)]
    async with process.start(argv, env=process.environment(PYTHONPATH=str(Path.cwd()))) as web:
        assert web.stdout is not None
        async with asyncio.timeout(30):
            address = (await web.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(base_url=address) as client:
            for answered in asyncio.as_completed([each.to(client) for each in sent]):
                assert (await answered).status_code == 202
                break
            web.send_signal(signal.SIGKILL)
        assert await process.exited(web) == -signal.SIGKILL
    with closing(sqlite3.connect(state / "pimainteno.sqlite3")) as database:
        (rows,) = database.execute("select count(*) from deliveries where source = 'hub'").fetchone()
        jobs = database.execute("select name, args, state from jobs").fetchall()
    assert rows >= 1
    assert [(name, json.loads(args), state) for name, args, state in jobs] == [
        ("reconcile", {"proposal_id": number}, "queued")
    ]

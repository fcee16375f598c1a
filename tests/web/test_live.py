"""Streams of a real server: what a browser gets, and when a stream ends."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.requests import Request

from app.store import events
from app.web import guard, hub, live, main
from app.web.auth import UnauthorisedError
from tests.web.conftest import TOKENS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message

    from app.core.settings import Settings
    from app.store.database import Store
    from tests.web.conftest import Site

HEADERS = {"authorization": f"Bearer {TOKENS['viewer']}"}
WITHIN_S = 1.0


@pytest.fixture
def away(settings: Settings, store: Store) -> Settings:
    """Settings of a site whose Redis is away; the store is there."""
    return settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"})


@dataclass(frozen=True)
class Served:
    """What runs."""

    stop: asyncio.Event
    hub: hub.Hub
    serving: asyncio.Task[None]

    @property
    def listeners(self) -> int:
        return self.hub.listeners


class Browser:
    """Reads one stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.last_id = ""

    async def message(self) -> dict[str, Any] | None:
        """Return the next message with data; None where the stream has ended."""
        event, data = "", ""
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    event = value
                elif name == "data":
                    data = value
                elif not line and data:
                    return {"is": event, **json.loads(data)}
                elif not line and self.last_id and not event:
                    return {"is": "begun"}
        return None


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Served]]:
    """A real server in this process, until the block ends."""
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    with pytest.MonkeyPatch.context() as patch:
        hubs: list[hub.Hub] = []

        def made(store: Store) -> hub.Hub:
            hubs.append(hub.Hub(store))
            return hubs[0]

        patch.setattr(main, "Hub", made)
        serving = asyncio.create_task(main.serve(settings, stop=stop, ready=address.set_result))
        try:
            await asyncio.wait({serving, address}, return_when=asyncio.FIRST_COMPLETED)
            async with httpx.AsyncClient(base_url=await address) as client:
                yield client, Served(stop, hubs[0], serving)
        finally:
            stop.set()
            await serving


@asynccontextmanager
async def listening(client: httpx.AsyncClient, query: str = "", **headers: str) -> AsyncIterator[Browser]:
    """Open a stream; what was not asked for again is told from now on."""
    given = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.stream("GET", f"/live{query}", headers=given) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        yield Browser(answer)


async def tell(store: Store, proposal: int = 1) -> int:
    async with store.write() as tx:
        return (await events.append(tx, "proposal.ci", "", project="greeter", proposal=proposal)).id


async def test_a_change_of_another_process_shows_within_a_second(away: Settings, store: Store) -> None:
    async with served(away) as (client, _), listening(client, "?proposal=1") as browser:
        assert await browser.message() == {"is": "begun"}
        await tell(store, 2)
        line, began = await tell(store), time.monotonic()
        assert await browser.message() == {
            "is": "changed",
            "event": line,
            "kind": "proposal.ci",
            "project": "greeter",
            "proposal": 1,
        }
        assert time.monotonic() - began < WITHIN_S
        assert browser.last_id == str(line)


async def test_no_gap_after_a_reconnect(away: Settings, store: Store) -> None:
    async with served(away) as (client, _):
        async with listening(client) as browser:
            await browser.message()
            last = browser.last_id
        missed = [await tell(store, number) for number in (1, 2)]
        async with listening(client, "?after=0", last_event_id=last) as browser:
            told = [await browser.message() for _ in range(3)]
        assert [one["event"] for one in told[:2] if one] == missed
        assert told[2] == {"is": "begun"}
        assert browser.last_id == str(missed[-1])
        async with listening(client, f"?after={missed[0]}") as browser:
            told = [await browser.message()]
        assert [one["event"] for one in told if one] == missed[1:]


@pytest.mark.parametrize("last", ["x", "-1", "1e9", "9" * 30])
async def test_a_last_line_that_is_not_ours_counts_as_none(away: Settings, store: Store, last: str) -> None:
    line = await tell(store)
    async with served(away) as (client, _), listening(client, last_event_id=last) as browser:
        assert await browser.message() == {"is": "begun"}
        assert browser.last_id == str(line)


async def test_a_line_of_another_database(away: Settings, store: Store) -> None:
    line = await tell(store)
    async with served(away) as (client, _), listening(client, "?after=999999") as browser:
        assert await browser.message() == {"is": "reload"}
        assert browser.last_id == str(line)


async def test_streams_end_at_once_when_the_server_stops(away: Settings, store: Store) -> None:
    async with (
        served(away) as (client, running),
        listening(client) as browser,
        listening(client) as other,
    ):
        await browser.message()
        await other.message()
        began = time.monotonic()
        running.stop.set()
        assert await browser.message() is None
        assert await other.message() is None
        await running.serving
        assert time.monotonic() - began < main.GRACE_S / 2


async def test_a_stream_ends_with_its_session(
    away: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "ASK_AGAIN_S", 0.05)
    async with served(away) as (client, _), listening(client) as browser:
        await browser.message()
        await tell(store)
        assert (await browser.message() or {})["is"] == "changed"
        monkeypatch.setattr(guard, "decide", _refused)
        assert await browser.message() == {"is": "over"}
        assert await browser.message() is None


def _refused(*_: object, **__: object) -> None:
    raise UnauthorisedError("over")


async def test_a_quiet_stream_is_kept_alive(
    away: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "ASK_AGAIN_S", 0.01)
    monkeypatch.setattr(live, "KEEP_ALIVE_S", 0.02)
    async with (
        served(away) as (client, _),
        client.stream("GET", "/live", headers=HEADERS) as answer,
        asyncio.timeout(10),
    ):
        async for line in answer.aiter_lines():
            if line == ": nothing new":
                break


async def test_a_browser_that_takes_nothing_is_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LOOK_S", 0.01)
    monkeypatch.setattr(hub, "MOST_WAITING", 2)
    ours = hub.Hub(store)
    stream = live.Stream(ours, Request({"type": "http"}), hub.Topic(), 0, None)
    full = asyncio.Event()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            full.set()
            await asyncio.Event().wait()

    async def receive() -> Message:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    streaming = asyncio.create_task(stream({"type": "http"}, receive, send))
    async with asyncio.timeout(20):
        await full.wait()
        while not streaming.done():
            await tell(store)
            await asyncio.sleep(0.02)
    await streaming
    assert ours.listeners == 0


async def test_a_browser_that_leaves_is_forgotten(away: Settings, store: Store) -> None:
    async with served(away) as (client, app):
        async with listening(client) as browser:
            await browser.message()
            assert app.listeners == 1
        async with asyncio.timeout(20):
            while app.listeners:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)


async def test_head_and_wrong_questions(site: Site) -> None:
    async with site.client(token=TOKENS["viewer"]) as client:
        assert (await client.head("/live")).headers["content-type"].startswith("text/event-stream")
        for query in ("?after=x", "?proposal=-1", f"?project={'x' * 10_000}"):
            assert (await client.get(f"/live{query}")).status_code == 422
    async with site.client(peer="192.0.2.7") as client:
        assert (await client.get("/live")).status_code == 401

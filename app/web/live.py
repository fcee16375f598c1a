"""The page gets livelier: server-sent events that say what changed, so that pages fetch their parts again."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from app.core.errors import StoreError
from app.web.context import TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute, still_let_in
from app.web.hub import Topic, reload_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from app.store.database import Tx
    from app.web.hub import Hub, Listener

router = APIRouter(route_class=GuardedRoute)
RETRY_MS = 2000
KEEP_ALIVE_S = 15.0
ASK_AGAIN_S = 5.0
"""How soon a stream ends after its session or token does."""

Line = Annotated[int | None, Query(ge=0, le=2**63 - 1)]
ProjectName = Annotated[str | None, Query(max_length=200)]


@router.api_route("/live", methods=["GET", "HEAD"])
async def live(
    web: TheWeb,
    request: Request,
    after: Line = None,
    proposal: Line = None,
    project: ProjectName = None,
    units: Line = None,
) -> Response:
    """Stream what changes, from the line after `Last-Event-ID`, or `after`, or else from now on.

    With `units` also that units changed after the change of that number.
    """
    newest = await web.hub.newest()
    last = _line(request.headers.get("last-event-id"))
    web.hub.has_room()
    if request.method == "HEAD":
        return Response(media_type=Stream.media_type)
    after = after if last is None else last
    return Stream(web.hub, request, Topic(project, proposal), newest, after, units)


async def watched(
    tx: Tx, *, proposal: int | None = None, project: str | None = None, with_units: bool = False
) -> str:
    """Return the query of the stream that a page listens to: what comes after what its transaction sees."""
    from app.store import events, units

    about = {"after": await events.newest(tx), "proposal": proposal, "project": project}
    if with_units:
        about["units"] = await units.newest(tx)
    return urlencode({name: value for name, value in about.items() if value is not None})


class Stream(StreamingResponse):
    """A stream until its browser leaves or takes nothing, its session is over, or the server stops."""

    media_type = "text/event-stream"

    def __init__(
        self,
        hub: Hub,
        request: Request,
        topic: Topic,
        newest: int,
        after: int | None,
        units: int | None = None,
    ) -> None:
        # a proxy such as nginx would hold messages back
        super().__init__((), headers={"X-Accel-Buffering": "no"})
        self._hub, self._request, self._topic, self._newest, self._after = hub, request, topic, newest, after
        self._units = units

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send until one side ends it."""
        with self._hub.listening(self._topic, self._newest, self._units) as listener:
            self.body_iterator = self._messages(listener)
            sending = asyncio.ensure_future(self.stream_response(send))
            ends = [
                sending,
                *map(asyncio.ensure_future, (self.listen_for_disconnect(receive), listener.slow.wait())),
            ]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in ends:
                    task.cancel()
                await asyncio.gather(*ends, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _messages(self, listener: Listener) -> AsyncIterator[bytes]:
        yield b"retry: %d\n" % RETRY_MS + await self._missed(listener) + b"id: %d\n\n" % listener.since
        loop = asyncio.get_running_loop()
        sent = asked = loop.time()
        while not listener.over:
            message = await listener.next(timeout_s=ASK_AGAIN_S)
            now = loop.time()
            if not message and now - sent >= KEEP_ALIVE_S:
                message = b": nothing new\n\n"
            if message:
                sent = now
                yield message
            if now - asked >= ASK_AGAIN_S:
                asked = now
                if not await _may_stay(self._request):
                    yield b"event: over\ndata: {}\n\n"
                    return

    async def _missed(self, listener: Listener) -> bytes:
        if self._after is None:
            return b""
        if self._after > max(self._newest, listener.since):  # of another database, before it was restored
            return reload_at(listener.since)
        return await self._hub.replayed(self._topic, after=self._after, upto=listener.since)


async def _may_stay(request: Request) -> bool:
    try:
        return await still_let_in(request)
    except StoreError:
        return True  # it is asked again soon


def _line(last: str | None) -> int | None:
    """Return the line that a browser had last; what is not one of ours counts as none."""
    return int(last) if last and re.fullmatch(r"[0-9]{1,18}", last) else None

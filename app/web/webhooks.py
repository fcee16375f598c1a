"""Deliveries of forges: the signature first, then a row and the work that it leads to, then the answer.

A delivery only says where to look: the publisher reads from the forge itself what is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.background import BackgroundTask

from app.core.errors import NotFoundError
from app.web import deeds, notices, signatures
from app.web.context import web_of
from app.web.guard import GuardedRoute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.core.models import Job
    from app.web.context import Web
    from app.web.notices import Notice

router = APIRouter(route_class=GuardedRoute)
KEPT_HEADERS = ("content-type", "user-agent", "x-github-hook-id", "x-gitlab-event", "x-gitlab-instance")
"""What helps to find out where a delivery came from; no signature, and no token."""
LONGEST_HEADER = 200


async def prepare(web: Web) -> None:
    """Say which forges are polled; where one may send, load what the first delivery would wait for."""
    web.senders.tell_polled()
    if web.senders.any():
        from app.store import inbox  # noqa: F401

        await web.bell.ready()


@router.post("/webhooks/{forge}")
async def webhook(request: Request) -> Response:
    """Take one delivery; forges send in bursts, so what the framework would look up is taken directly."""
    from app.store.inbox import Arrival

    web, forge = web_of(request), str(request.path_params["forge"])
    notice = await _notice(web, forge, request)
    projects = web.senders.projects(forge, notice.repository, notice.former)
    arrival = Arrival(
        source=forge,
        delivery_id=notice.delivery,
        event=notice.event,
        headers=_kept(request.headers),
        projects=projects,
        number=notice.number,
        branch=notice.branch,
        head=notice.head,
        whole=notice.whole,
        ignored=_ignored(notice, projects),
    )
    taken = await web.inbox.take(arrival)
    ringing = BackgroundTask(_ring, web, taken.jobs) if taken.jobs else None
    return JSONResponse({"result": taken.result}, status_code=202, background=ringing)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value[:LONGEST_HEADER] for name in KEPT_HEADERS if (value := headers.get(name))}


async def _notice(web: Web, forge: str, request: Request) -> Notice:
    """Return what a forge tells us, and let the body go."""
    sender = web.senders.find(forge)
    if sender is None:
        raise NotFoundError("no webhook is taken here: there is no such forge, or no secret for its webhook")
    signatures.has_any(sender.kind, request.headers)
    body = await web.bodies.read(request)
    sender.check(request.headers, body)
    return notices.read(sender.kind, request.headers, body)


def _ignored(notice: Notice, projects: Sequence[str]) -> str:
    """Return why a delivery leads nowhere, where it says so by itself; else ""."""
    if not notice.followed:
        return f"ignored: event {notice.event or 'without a name'} {notice.action}".rstrip()
    if not projects:
        return f"ignored: repository {notice.repository or 'without a name'} is none of ours"
    return ""


async def _ring(web: Web, jobs: Sequence[Job]) -> None:
    await web.bell.ready()
    for job in jobs:
        await deeds.ring(web, job)

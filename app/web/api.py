"""The interface for programs: JSON under /api/v1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.background import BackgroundTask

from app.web import deeds
from app.web.context import TheCaller, TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute

if TYPE_CHECKING:
    from app.core.models import Event, Proposal
    from app.web.auth import Caller
    from app.web.context import Web

router = APIRouter(prefix="/api/v1", route_class=GuardedRoute)
READ = ["GET", "HEAD"]
JSON_LINES = "application/jsonl"

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Cursor = Annotated[str | None, Query(max_length=200)]
ProjectName = Annotated[str | None, Query(max_length=200)]


class Snooze(BaseModel):
    """The body of a snooze."""

    model_config = ConfigDict(extra="forbid")

    duration: str


class Retry(BaseModel):
    """The body of a retry; `discard` throws away what people added to the branch."""

    model_config = ConfigDict(extra="forbid")

    discard: bool = False


@router.api_route("/proposals", methods=READ)
async def proposals(
    web: TheWeb,
    state: Literal["open", "all"] = "open",
    project: ProjectName = None,
    cursor: Cursor = None,
) -> JSONResponse:
    """List proposals, newest first."""
    from app.store import proposals as table

    async with web.store.read() as tx:
        found, following = await table.page(tx, state=state, project=project, cursor=cursor)
    return JSONResponse({"items": [_proposal(web, one) for one in found], "next": following})


@router.api_route("/proposals/{number}", methods=READ)
async def proposal(web: TheWeb, number: Number) -> JSONResponse:
    """Show one proposal."""
    from app.store import proposals as table

    async with web.store.read() as tx:
        return JSONResponse(_proposal(web, await table.get(tx, number)))


@router.api_route("/projects", methods=READ)
async def projects(web: TheWeb) -> JSONResponse:
    """List the configured projects."""
    from app.store import projects as table

    async with web.store.read() as tx:
        views = await table.views(tx, web.settings)
    items = [web.redactor.data(view.model_dump(mode="json")) for view in views]
    return JSONResponse({"items": items, "next": None})


@router.api_route("/history", methods=READ)
async def history(
    web: TheWeb, request: Request, project: ProjectName = None, cursor: Cursor = None
) -> Response:
    """List the history, newest first; as JSON Lines the next page is in the Link header."""
    from app.store import events as table

    async with web.store.read() as tx:
        found, following = await table.page(tx, project=project, cursor=cursor)
    items = [_event(web, one) for one in found]
    if JSON_LINES not in request.headers.get("accept", ""):
        return JSONResponse({"items": items, "next": following})
    lines = "".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in items)
    headers = {"Link": f"<{_next(request, project, following)}>; rel=next"} if following else {}
    return Response(lines, media_type=JSON_LINES, headers=headers)


@router.post("/proposals/{number}/merge")
async def merge(web: TheWeb, caller: TheCaller, number: Number) -> JSONResponse:
    """Ask for a merge; on the local forge only."""
    return await _accepted(web, caller, "merge", number)


@router.post("/proposals/{number}/close")
async def close(web: TheWeb, caller: TheCaller, number: Number) -> JSONResponse:
    """Ask to close a proposal; the same failure will not open it again."""
    return await _accepted(web, caller, "close", number)


@router.post("/proposals/{number}/retry")
async def retry(web: TheWeb, caller: TheCaller, number: Number, body: Retry | None = None) -> JSONResponse:
    """Ask for another attempt."""
    return await _accepted(web, caller, "retry", number, discard=body is not None and body.discard)


@router.post("/proposals/{number}/snooze")
async def snooze(web: TheWeb, caller: TheCaller, number: Number, body: Snooze) -> JSONResponse:
    """Ask for silence about a proposal's failure for a while."""
    return await _accepted(web, caller, "snooze", number, until=deeds.until(body.duration))


async def _accepted(
    web: Web,
    caller: Caller,
    action: deeds.Action,
    number: int,
    **more: Any,  # noqa: ANN401 - passed on
) -> JSONResponse:
    found, job = await deeds.ask(web, caller, action, number, **more)
    return JSONResponse(
        _proposal(web, found), status_code=202, background=BackgroundTask(deeds.ring, web, job)
    )


def _proposal(web: Web, found: Proposal) -> dict[str, Any]:
    """Return the contract's fields. The outputs of checks are long, and stand on the page alone."""
    shown = found.model_dump(mode="json")
    shown["checks"] = [
        {"command": check.command, "before": check.before, "after": check.after} for check in found.checks
    ]
    redacted: dict[str, Any] = web.redactor.data(shown)
    return redacted


def _event(web: Web, found: Event) -> dict[str, Any]:
    redacted: dict[str, Any] = web.redactor.data(found.model_dump(mode="json"))
    return redacted


def _next(request: Request, project: str | None, cursor: str) -> str:
    query = {"cursor": cursor} if project is None else {"project": project, "cursor": cursor}
    return f"{request.url.path}?{urlencode(query)}"

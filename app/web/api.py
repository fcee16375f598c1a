"""The interface for programs: JSON under /api/v1."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from app.core import durations
from app.web import answers, deeds, openapi
from app.web.context import TheCaller, TheItems, TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute
from app.web.items import page
from app.web.items import proposal as as_told
from app.web.parameters import (  # noqa: TC001 - FastAPI reads them
    Actor,
    Cursor,
    EventKind,
    Id,
    OfKind,
    ProjectName,
    Since,
    ThatNeeds,
    Until,
)

if TYPE_CHECKING:
    from app.web.auth import Caller
    from app.web.context import Web

router = APIRouter(prefix="/api/v1", route_class=GuardedRoute)
READ = ["GET", "HEAD"]
JSON, JSON_LINES = "application/json", "application/jsonl"

ASKED: dict[str, Any] = {
    "status_code": 202,
    "response_model": answers.Proposal,
    "response_description": "It is written down, and a worker does it; the proposal as it stands now.",
}


class Snooze(BaseModel):
    """The body of a snooze."""

    model_config = ConfigDict(extra="forbid", strict=True)

    duration: str = Field(
        description="30m, 12h, 7d or 2w; a year at most.",
        examples=["12h", "7d", "2w"],
        json_schema_extra={"pattern": f"^{durations.FORM.pattern}$"},
    )


class Retry(BaseModel):
    """The body of a retry."""

    model_config = ConfigDict(extra="forbid", strict=True)

    discard: bool = Field(default=False, description="Throw away what people added to the branch.")


@router.api_route(
    "/proposals",
    methods=READ,
    operation_id="listProposals",
    response_model=answers.Proposals,
    response_description="A page of proposals.",
)
async def proposals(
    web: TheWeb,
    items: TheItems,
    state: Annotated[
        Literal["open", "all"], Query(description="`open` lists those that are working, waiting or open.")
    ] = "open",
    project: ProjectName = None,
    kind: OfKind = None,
    need: ThatNeeds = None,
    cursor: Cursor = None,
) -> Response:
    """List proposals, newest first."""
    from app.store import board
    from app.store import proposals as table

    project = project or None
    async with web.store.read() as tx:
        if need is None:
            listed, following = await table.versions(
                tx, state=state, project=project, kind=kind, cursor=cursor
            )
            found = await items.versions(tx, listed)
        else:
            rows, following = await board.page(tx, board.Filter(project, kind, need), cursor=cursor)
            found = items.proposals(row.proposal for row in rows)
    return Response(page(found, following), media_type=JSON)


@router.api_route(
    "/proposals/{id}",
    methods=READ,
    operation_id="getProposal",
    response_model=answers.Proposal,
    response_description="The proposal.",
)
async def proposal(web: TheWeb, number: Id) -> JSONResponse:
    """Show one proposal."""
    from app.store import proposals as table

    async with web.store.read() as tx:
        return JSONResponse(as_told(web.redactor, await table.get(tx, number)))


@router.api_route(
    "/projects",
    methods=READ,
    operation_id="listProjects",
    response_model=answers.Projects,
    response_description="All projects, by name.",
)
async def projects(web: TheWeb) -> JSONResponse:
    """List the configured projects."""
    from app.store import projects as table

    async with web.store.read() as tx:
        views = await table.views(tx, web.settings)
    items = [web.redactor.data(view.model_dump(mode="json")) for view in views]
    return JSONResponse({"items": items, "next": None})


@router.api_route(
    "/history",
    methods=READ,
    operation_id="listHistory",
    response_model=answers.History,
    responses={200: openapi.AS_LINES},
)
async def history(
    web: TheWeb,
    items: TheItems,
    request: Request,
    project: ProjectName = None,
    kind: EventKind = None,
    actor: Actor = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
) -> Response:
    """List the history, newest first; as JSON Lines the next page is in the Link header."""
    from app.store import events as table

    async with web.store.read() as tx:
        found, following = await table.page(
            tx,
            project=project or None,
            kind=kind or None,
            actor=actor or None,
            since=since,
            until=until,
            cursor=cursor,
        )
    lines = items.events(found)
    if JSON_LINES not in request.headers.get("accept", ""):
        return Response(page(lines, following), media_type=JSON)
    headers = {"Link": f"<{_next(request, following)}>; rel=next"} if following else {}
    return Response("".join(f"{line}\n" for line in lines), media_type=JSON_LINES, headers=headers)


@router.post("/proposals/{id}/merge", operation_id="mergeProposal", **ASKED)
async def merge(web: TheWeb, caller: TheCaller, number: Id) -> JSONResponse:
    """Ask for a merge; on the local forge only."""
    return await _accepted(web, caller, "merge", number)


@router.post("/proposals/{id}/close", operation_id="closeProposal", **ASKED)
async def close(web: TheWeb, caller: TheCaller, number: Id) -> JSONResponse:
    """Ask to close a proposal; the same failure will not open it again."""
    return await _accepted(web, caller, "close", number)


@router.post("/proposals/{id}/retry", operation_id="retryProposal", **ASKED)
async def retry(web: TheWeb, caller: TheCaller, number: Id, body: Retry | None = None) -> JSONResponse:
    """Ask for another attempt."""
    return await _accepted(web, caller, "retry", number, discard=body is not None and body.discard)


@router.post("/proposals/{id}/snooze", operation_id="snoozeProposal", **ASKED)
async def snooze(web: TheWeb, caller: TheCaller, number: Id, body: Snooze) -> JSONResponse:
    """Ask for silence about a proposal's failure for a while."""
    return await _accepted(web, caller, "snooze", number, until=deeds.until(body.duration))


@router.api_route(
    "/openapi.json",
    methods=READ,
    operation_id="getDescription",
    response_model=dict[str, Any],
    response_description="This document.",
)
async def description(web: TheWeb) -> Response:
    """Describe this interface, as OpenAPI 3.1."""
    return Response(_document(web.settings.public_url), media_type=JSON)


async def _accepted(
    web: Web,
    caller: Caller,
    action: deeds.Action,
    number: int,
    **more: Any,  # noqa: ANN401 - passed on
) -> JSONResponse:
    found, job = await deeds.ask(web, caller, action, number, **more)
    return JSONResponse(
        as_told(web.redactor, found), status_code=202, background=BackgroundTask(deeds.ring, web, job)
    )


@lru_cache(maxsize=1)
def _document(public_url: str) -> bytes:
    """Return the document; making it takes a while, and it stays as it is."""
    made = openapi.document(router.routes, public_url)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def _next(request: Request, cursor: str) -> str:
    """Return the address of a page's next page: the same one but for its cursor."""
    same = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*same, ('cursor', cursor)])}"

"""One proposal: the story in order, and what a person may decide about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.background import BackgroundTask

from app.core import prices
from app.core.base import now
from app.core.errors import NotFoundError
from app.web import deeds
from app.web.api import READ
from app.web.board_page import forge_of
from app.web.context import TheCaller, TheWeb, texts_of
from app.web.guard import GuardedRoute
from app.web.live import watched
from app.web.pages import page
from app.web.parameters import Number  # noqa: TC001 - FastAPI reads it

if TYPE_CHECKING:
    from app.core.models import Job, Proposal, Run
    from app.web.auth import Caller
    from app.web.context import Web
    from app.web.texts import Texts

router = APIRouter(route_class=GuardedRoute)
HISTORY_OF_ONE = 200
REQUESTED: dict[deeds.Action, str] = {
    "merge": "Merge requested",
    "close": "Close requested",
    "retry": "Another attempt requested",
    "snooze": "Snooze requested",
}
SNOOZES = {"12h": "12 hours", "1d": "a day", "3d": "3 days", "1w": "a week", "2w": "2 weeks", "4w": "4 weeks"}


@router.api_route("/proposals/{number}", methods=READ)
async def proposal(web: TheWeb, request: Request, number: Number) -> Response:
    """Show one proposal: what failed, why, the change, the proof, and what happened."""
    from app.store import actions, events, incidents, jobs, runs
    from app.store import proposals as table

    async with web.store.read() as tx:
        found = await table.get(tx, number)
        run = await runs.latest(tx, number, whole=False)
        incident = await incidents.get(tx, found.incident_id) if found.incident_id is not None else None
        happened, earlier = await events.page(tx, proposal=number, limit=HISTORY_OF_ONE)
        waiting = await jobs.requested(tx, REQUESTED, number)
        live = await watched(tx, proposal=number)
    pending = waiting[0] if waiting else None
    checks = found.checks or (run.checks if run else ())
    made = await asyncio.to_thread(_made, texts_of(request), found, run, incident.log if incident else "")
    return page(
        request,
        "proposal.html",
        live=live,
        proposal=found,
        run=run,
        incident=incident,
        checks=checks,
        passed=all(check.after == "pass" for check in checks),
        proven=any(check.proves for check in checks),
        cost=prices.cost(web.settings.prices, run.model, run.usage) if run else None,
        events=happened[::-1],
        earlier=earlier,
        pending=pending,
        requested=REQUESTED,
        buttons=_buttons(web, found, pending),
        snoozes=SNOOZES,
        seen=actions.mark(found),
        forge=forge_of(web.settings, found.project),
        present=now(),
        **made,
    )


@router.api_route("/proposals/{number}/files/{file}", methods=READ)
async def changed_file(web: TheWeb, request: Request, number: Number, file: int) -> Response:
    """Show one file of a change on a page of its own, for those that are too long for the proposal's."""
    from app.store import proposals as table
    from app.store import runs

    async with web.store.read() as tx:
        found = await table.get(tx, number)
        run = await runs.latest(tx, number, whole=False)
    shown = await asyncio.to_thread(texts_of(request).file, run.diff if run else "", file)
    if shown is None:
        raise NotFoundError(
            f"The change of proposal {number} has no file {file}: it may be another one by now"
        )
    return page(request, "file.html", proposal=found, file=shown, forge=forge_of(web.settings, found.project))


@router.post("/proposals/{number}/merge")
async def merge(web: TheWeb, caller: TheCaller, request: Request, number: Number) -> Response:
    """Take the merge button's form."""
    return await _pressed(web, caller, request, "merge", number)


@router.post("/proposals/{number}/close")
async def close(web: TheWeb, caller: TheCaller, request: Request, number: Number) -> Response:
    """Take the close button's form."""
    return await _pressed(web, caller, request, "close", number)


@router.post("/proposals/{number}/retry")
async def retry(web: TheWeb, caller: TheCaller, request: Request, number: Number) -> Response:
    """Take the retry button's form."""
    discard = (await request.form()).get("discard") == "yes"
    return await _pressed(web, caller, request, "retry", number, discard=discard)


@router.post("/proposals/{number}/snooze")
async def snooze(web: TheWeb, caller: TheCaller, request: Request, number: Number) -> Response:
    """Take the snooze button's form."""
    until = deeds.until(str((await request.form()).get("duration", "")))
    return await _pressed(web, caller, request, "snooze", number, until=until)


async def _pressed(
    web: Web,
    caller: Caller,
    request: Request,
    action: deeds.Action,
    number: int,
    **more: Any,  # noqa: ANN401 - passed on
) -> Response:
    """Ask for what a button says and go back to the page, which tells how it stands."""
    seen = str((await request.form()).get("seen", ""))
    _, job = await deeds.ask(web, caller, action, number, seen=seen or None, **more)
    background = BackgroundTask(deeds.ring, web, job)
    return RedirectResponse(f"/proposals/{number}", status_code=303, background=background)


def _made(texts: Texts, found: Proposal, run: Run | None, log: str) -> dict[str, Any]:
    """Return the long texts as the page shows them; in a thread, for that may take a while once."""
    checks = found.checks or (run.checks if run else ())
    answer = run.answer if run else None
    return {
        "cause": texts.said(answer.cause) if answer else "",
        "what": texts.said(answer.change) if answer else "",
        "log": texts.log(log),
        "change": texts.change(run.diff if run else ""),
        "codex_md": texts.change(found.codex_md_diff or (run.codex_md_diff if run else "")),
        "outputs": [(texts.log(check.before_output), texts.log(check.after_output)) for check in checks],
        "body": texts.log(found.body),
    }


def _buttons(web: Web, found: Proposal, pending: Job | None) -> tuple[str, ...]:
    """Name the buttons that a proposal has; none while the last one pressed still waits for a worker."""
    from app.store import actions

    local = deeds.is_local_forge(web, found.project)
    return tuple(name for name in REQUESTED if pending is None and actions.allowed(name, found, local=local))

"""The pages for people: plain HTML that works without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup
from starlette.background import BackgroundTask

from app.core.errors import ConflictError
from app.web import deeds, show
from app.web.api import READ
from app.web.auth import Role, safe_next
from app.web.context import TheCaller, TheWeb, session_of, web_of
from app.web.guard import GuardedRoute
from app.web.live import watched
from app.web.parameters import Cursor, Number, ProjectName  # noqa: TC001 - FastAPI reads them

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.models import Job, Proposal
    from app.web.auth import Caller
    from app.web.context import Web

router = APIRouter(route_class=GuardedRoute)
HISTORY_OF_ONE = 200
THEMES = ("light", "dark")
MOST_QUERY = 500
A_YEAR_S = 365 * 86400
REQUESTED: dict[deeds.Action, str] = {
    "merge": "Merge requested",
    "close": "Close requested",
    "retry": "Another attempt requested",
}


@router.api_route("/theme", methods=READ)
async def theme(request: Request) -> Response:
    """Keep which theme a person chose, for browsers without JavaScript, and go back to where they were."""
    chosen = request.query_params.get("to")
    response = RedirectResponse(safe_next(request.query_params.get("next", "/")), status_code=303)
    if chosen in THEMES:
        response.set_cookie("theme", chosen, max_age=A_YEAR_S, samesite="lax", secure=web_of(request).secure)
    else:
        response.delete_cookie("theme", samesite="lax", secure=web_of(request).secure)
    return response


@router.api_route("/proposals/{number}", methods=READ)
async def proposal(web: TheWeb, request: Request, number: Number) -> Response:
    """Show one proposal: what failed, why, the change, the proof, and what happened."""
    from app.store import events, incidents, jobs, runs
    from app.store import proposals as table

    async with web.store.read() as tx:
        found = await table.get(tx, number)
        run = await runs.latest(tx, number)
        incident = await incidents.get(tx, found.incident_id) if found.incident_id is not None else None
        happened, _ = await events.page(tx, proposal=number, limit=HISTORY_OF_ONE)
        waiting = [job for name in REQUESTED if (job := await jobs.pending(tx, name, number)) is not None]
        live = await watched(tx, proposal=number)
    pending = waiting[0] if waiting else None
    redactor = web.redactor
    checks = found.checks or (run.checks if run else ())
    return page(
        request,
        "proposal.html",
        live=live,
        proposal=found,
        run=run,
        incident=incident,
        log=show.log(incident.log if incident else "", redactor),
        diff=show.diff(run.diff if run else "", redactor),
        codex_md=show.diff(found.codex_md_diff or (run.codex_md_diff if run else ""), redactor),
        checks=checks,
        passed=all(check.after == "pass" for check in checks),
        proven=any(check.proves for check in checks),
        took=show.duration(run.started_at, run.finished_at) if run else "",
        events=happened,
        pending=pending,
        requested=REQUESTED,
        log_of=lambda text: show.log(text, redactor),
        buttons=_buttons(web, found, pending),
    )


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


@router.api_route("/projects", methods=READ)
async def projects(web: TheWeb, request: Request) -> Response:
    """Show the configured projects."""
    from app.store import projects as table

    async with web.store.read() as tx:
        views = await table.views(tx, web.settings)
        live = await watched(tx)
    return page(request, "projects.html", live=live, projects=views)


@router.api_route("/projects/{name}", methods=READ)
async def project(web: TheWeb, request: Request, name: str, cursor: Cursor = None) -> Response:
    """Show one project with all of its proposals."""
    from app.store import projects as table
    from app.store import proposals

    configured = web.settings.project(name)
    async with web.store.read() as tx:
        view = next(one for one in await table.views(tx, web.settings) if one.name == name)
        found, following = await proposals.page(tx, state="all", project=name, cursor=cursor)
        live = await watched(tx, project=name)
    return page(
        request,
        "project.html",
        live=live,
        project=view,
        configured=configured,
        proposals=found,
        following=following,
        summary_of=show.summary_of,
    )


@router.api_route("/history", methods=READ)
async def history(
    web: TheWeb, request: Request, project: ProjectName = None, cursor: Cursor = None
) -> Response:
    """Show what happened, newest first."""
    from app.store import events

    async with web.store.read() as tx:
        found, following = await events.page(tx, project=project, cursor=cursor)
        live = await watched(tx, project=project)
    return page(request, "history.html", live=live, events=found, following=following, project=project or "")


def page(
    request: Request,
    name: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,  # noqa: ANN401 - what the template shows
) -> HTMLResponse:
    """Return a page from its template; a message of the last form is shown once."""
    web = web_of(request)
    session, caller = session_of(request), getattr(request.state, "caller", None)
    message, csrf, here = "", "", request.url.path
    chosen = request.cookies.get("theme")
    if request.url.query and len(request.url.query) < MOST_QUERY:
        here = f"{here}?{request.url.query}"
    if session is not None:
        if "hx-request" not in request.headers:  # which shows a part of the page alone
            message, session.message = session.message, ""
        csrf = session.proof.csrf
    text = request.app.state.templates.get_template(name).render(
        message=message,
        csrf=Markup(csrf),  # noqa: S704 - hexadecimal digits of our own; redaction must not touch them
        caller=caller,
        logged_in=session is not None,
        demo=web.demo,
        path=request.url.path,
        here=here,
        theme=chosen if chosen in THEMES else "",
        ours=f"{web.settings.public_url}/",
        **values,
    )
    return HTMLResponse(text, status_code=status, headers=dict(headers or {}))


def problem_page(
    request: Request, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as a page."""
    return page(
        request, "problem.html", status=status, headers=headers, title=title, detail=detail, code=status
    )


async def _pressed(
    web: Web, caller: Caller, request: Request, action: deeds.Action, number: int, *, discard: bool = False
) -> Response:
    """Ask for what a button says and go back to the page, which tells how it stands."""
    session = session_of(request)
    background = None
    try:
        _, job = await deeds.ask(web, caller, action, number, discard=discard)
        background = BackgroundTask(deeds.ring, web, job)
    except ConflictError as error:
        if session is not None:
            session.message = f"Not done: {error}"
    return RedirectResponse(f"/proposals/{number}", status_code=303, background=background)


def _buttons(web: Web, found: Proposal, pending: Job | None) -> tuple[str, ...]:
    """Name the buttons that a proposal has; none while the last one pressed still waits for a worker."""
    from app.store import actions

    local = deeds.is_local_forge(web, found.project)
    return tuple(name for name in REQUESTED if pending is None and actions.allowed(name, found, local=local))


def may_act(caller: Caller | None) -> bool:
    """Tell templates whether buttons are of use to this caller."""
    return caller is not None and caller.role is not None and caller.role >= Role.OPERATOR

"""Logging in: whoever shows who they are gets a page session, with which browsers can press buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from app.web.api import READ
from app.web.auth import ForbiddenError, is_our_origin, safe_next
from app.web.context import TheWeb, session_of
from app.web.guard import GuardedRoute, asking, drop_cookie, set_cookie
from app.web.pages import page
from app.web.problems import TooManyError

if TYPE_CHECKING:
    from app.web.context import Web
    from app.web.ways import Login

router = APIRouter(route_class=GuardedRoute)
MOST_CHARACTERS = 1000
FIELDS = ("link", "token", "name", "password")
UNKNOWN = "This token is not known here."
UNFIT = "Name and password do not fit."
OVER = (
    "This link has been used, is older than an hour, or was never made here. "
    "The command “pimainteno login” prints a new one."
)


@router.api_route("/login", methods=READ)
async def form(web: TheWeb, request: Request) -> Response:
    """Show the ways in."""
    return form_page(web, request, request.query_params.get("next", "/"))


@router.post("/login")
async def login(web: TheWeb, request: Request) -> Response:
    """Turn a password, a token or a link into a fresh session; what fails is counted, and must wait."""
    if not is_our_origin(await asking(request), web.settings.public_url):
        raise ForbiddenError("this form was not sent by a page of this program: open the page and try again")
    sent = await request.form()
    field = {name: str(sent.get(name, ""))[:MOST_CHARACTERS] for name in FIELDS}
    target = safe_next(str(sent.get("next", "/")))
    await brake(web, request, guessable=not field["link"])
    found, wrong = await _found(web, field)
    if found is None:
        await failed(web, request)
        return form_page(web, request, target, wrong=wrong)
    return await enter(web, request, found, target)


@router.api_route("/login/link/{token}", methods=READ)
async def link(web: TheWeb, request: Request, token: str) -> Response:
    """Show a link's button. Only that uses the link up: programs that look at links ahead do not."""
    from app.web import links

    whose = await links.whose(web.store, token[:MOST_CHARACTERS])
    if whose is None:
        return form_page(web, request, "/", wrong=OVER, status=410)
    return page(request, "login_link.html", token=Markup.escape(token), whose=whose)


@router.post("/logout")
async def logout(web: TheWeb, request: Request) -> Response:
    """End the session."""
    session = session_of(request)
    if session is not None:
        await web.sessions.leave(session)
    response = RedirectResponse("/login", status_code=303)
    drop_cookie(web, response)
    return response


async def brake(web: Web, request: Request, *, guessable: bool) -> None:
    """Raise TooManyError where this caller, or anybody, has failed too often."""
    peer = web.ways.proxy.peer(await asking(request))
    wait_s = web.attempts.wait_s(peer, guessable=guessable)
    if wait_s > 0:
        raise TooManyError(f"too many failed logins: try again in {int(wait_s) + 1} seconds", wait_s=wait_s)


async def failed(web: Web, request: Request) -> None:
    """Count a failed login; the one after which the caller must wait goes to the history."""
    from app.store import events

    peer = web.ways.proxy.peer(await asking(request))
    if web.attempts.failed(peer):
        async with web.store.write() as tx:
            text = f"several logins from {peer} failed: it has to wait for some minutes"
            await events.append(tx, "operator.login_failed", text, actor="anyone", data={"peer": peer})


async def enter(web: Web, request: Request, found: Login, target: str) -> Response:
    """Begin a session and go where the caller wanted to."""
    session = await web.sessions.begin(
        found,
        instead_of=request.cookies.get(web.cookie),
        peer=web.ways.proxy.peer(await asking(request)),
        agent=request.headers.get("user-agent", ""),
    )
    response = RedirectResponse(target, status_code=303)
    set_cookie(web, response, session)
    return response


async def _found(web: Web, field: dict[str, str]) -> tuple[Login | None, str]:
    """Return who shows what, and what to say where that is nobody."""
    from app.web import links

    if field["link"]:
        return await links.use(web.store, field["link"]), OVER
    if field["name"]:
        return await web.ways.password(field["name"].strip().lower(), field["password"]), UNFIT
    return web.ways.token(field["token"].strip()), UNKNOWN


def form_page(
    web: Web, request: Request, target: str, *, wrong: str = "", status: int | None = None
) -> Response:
    """Return the page with the ways in, and what was wrong with the one tried."""
    return page(
        request,
        "login.html",
        status=status or (401 if wrong else 200),
        wrong=wrong,
        target=safe_next(target),
        tokens=bool(web.ways.tokens),
        users=web.ways.users,
        forges=sorted(web.ways.oauth),
        open_here=not web.settings.web.login,
    )

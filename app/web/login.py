"""Logging in with a configured token: it becomes a page session, so that browsers can press buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.web.api import READ
from app.web.auth import ForbiddenError, is_our_origin, safe_next
from app.web.context import TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute, asking, set_cookie
from app.web.pages import page
from app.web.problems import TooManyError

if TYPE_CHECKING:
    from app.web.context import Web

router = APIRouter(route_class=GuardedRoute)
MOST_CHARACTERS = 1000


@router.api_route("/login", methods=READ)
async def form(web: TheWeb, request: Request) -> Response:
    """Show the form."""
    return _form(web, request, request.query_params.get("next", "/"))


@router.post("/login")
async def login(web: TheWeb, request: Request) -> Response:
    """Turn a token into a fresh session; what fails is counted, and too many failures must wait."""
    asked = await asking(request)
    if not is_our_origin(asked, web.settings.public_url):
        raise ForbiddenError("this form was not sent by a page of this program: open the page and try again")
    peer = asked.peer or "unknown"
    wait_s = web.attempts.wait_s(peer)
    if wait_s > 0:
        raise TooManyError(f"too many failed logins: try again in {int(wait_s) + 1} seconds", wait_s=wait_s)
    sent = await request.form()
    target = safe_next(str(sent.get("next", "/")))
    caller = web.tokens.caller(str(sent.get("token", "")).strip()[:MOST_CHARACTERS])
    if caller is None:
        web.attempts.failed(peer)
        return _form(web, request, target, wrong=True)
    value, _ = web.sessions.begin(caller, instead_of=request.cookies.get(web.cookie))
    response = RedirectResponse(target, status_code=303)
    set_cookie(web, response, value)
    return response


@router.post("/logout")
async def logout(web: TheWeb, request: Request) -> Response:
    """End the session."""
    web.sessions.end(request.cookies.get(web.cookie))
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(web.cookie, httponly=True, samesite="strict", secure=web.secure)
    return response


def _form(web: Web, request: Request, target: str, *, wrong: bool = False) -> Response:
    return page(
        request,
        "login.html",
        status=401 if wrong else 200,
        wrong=wrong,
        target=safe_next(target),
        tokens=bool(web.tokens),
    )

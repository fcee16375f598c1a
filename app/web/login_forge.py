"""Logging in with a forge: out to it and back, with what is to come back kept in a cookie of the browser.

The store is not needed for this, so nobody can fill it by beginning logins.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.core.errors import NotFoundError
from app.web.api import READ
from app.web.auth import safe_next
from app.web.context import TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute, drop_cookie
from app.web.login import brake, enter, failed, form_page
from app.web.oauth import ForgeTroubleError, NotLetInError, OAuth

if TYPE_CHECKING:
    from app.web.context import Web
    from app.web.oauth import Began

router = APIRouter(route_class=GuardedRoute)
ON_THE_WAY_S = 600
LONGEST = 1000
STRANGE = "This login was not begun in this browser, or more than ten minutes ago: begin again."
DENIED = "{} says that you did not allow it."


@router.api_route("/login/oauth/{name}", methods=READ)
async def begin(web: TheWeb, request: Request, name: str) -> Response:
    """Send the browser to the forge."""
    began = _oauth(web, name).begin()
    response = RedirectResponse(began.url, status_code=303)
    _remember(web, response, name, began, safe_next(request.query_params.get("next", "/")))
    return response


@router.api_route("/login/oauth/{name}/callback", methods=READ)
async def callback(web: TheWeb, request: Request, name: str) -> Response:
    """Take who comes back. What was kept for that is used once, whatever comes of it."""
    oauth = _oauth(web, name)
    await brake(web, request, guessable=False)
    response = await _came_back(web, request, name, oauth)
    drop_cookie(web, response, web.oauth_cookie)
    return response


async def _came_back(web: Web, request: Request, name: str, oauth: OAuth) -> Response:
    given = {key: request.query_params.get(key, "")[:LONGEST] for key in ("state", "code", "error")}
    begun, state, verifier, target = _remembered(web, request)
    if not state or begun != name or not hmac.compare_digest(state.encode(), given["state"].encode()):
        await failed(web, request)
        return form_page(web, request, "/", wrong=STRANGE, status=400)
    if given["error"] or not given["code"]:
        return form_page(web, request, target, wrong=DENIED.format(name), status=403)
    try:
        login = await oauth.finish(given["code"], verifier)
    except NotLetInError as error:
        await failed(web, request)
        return form_page(web, request, target, wrong=_sentence(error), status=403)
    except ForgeTroubleError as error:
        return form_page(web, request, target, wrong=_sentence(error), status=502)
    return await enter(web, request, login, target)


def _oauth(web: Web, name: str) -> OAuth:
    if name not in web.ways.oauth:
        raise NotFoundError("there is no login by that name here")
    return OAuth(web.settings, name)


def _remember(web: Web, response: Response, name: str, began: Began, target: str) -> None:
    where = base64.urlsafe_b64encode(target.encode()).decode()
    response.set_cookie(
        web.oauth_cookie,
        f"{name}.{began.state}.{began.verifier}.{where}",
        max_age=ON_THE_WAY_S,
        httponly=True,
        samesite="lax",  # it is to come along when the forge sends the browser back
        secure=web.secure,
    )


def _remembered(web: Web, request: Request) -> tuple[str, str, str, str]:
    parts = request.cookies.get(web.oauth_cookie, "").split(".")
    if len(parts) != 4:
        return "", "", "", "/"
    name, state, verifier, where = parts
    try:
        return name, state, verifier, safe_next(base64.urlsafe_b64decode(where).decode())
    except (binascii.Error, UnicodeDecodeError):
        return name, state, verifier, "/"


def _sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."

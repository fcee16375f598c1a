"""Where requests meet the rules of `auth`: each route asks here before it reads a body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute

from app.web.access import access
from app.web.auth import READING, Asking, Caller, ForbiddenError, Role, UnauthorisedError, decide, is_local
from app.web.context import web_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request, Response

    from app.web.context import Web
    from app.web.sessions import Session

FORM = "application/x-www-form-urlencoded"
DEMO = Caller("demo", Role.OPERATOR)
FORGE = Caller("forge", None)


class GuardedRoute(APIRoute):
    """A route that answers only those whom the table of `access` lets in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind the guard."""
        inner = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            web = web_of(request)
            cookie = await _let_in(web, request, self.path)
            response = await inner(request)
            if cookie is not None:
                set_cookie(web, response, cookie)
            return response

        return guarded


async def still_let_in(request: Request) -> bool:
    """Tell whether a request that was let in, and lasts, would be let in now: its session may be over."""
    web, needed = web_of(request), access(request.method, request.scope["path"])
    if needed is None:
        return False
    session = web.sessions.find(request.cookies.get(web.cookie))
    proof = session.proof if session is not None else None
    try:
        decide(needed, await asking(request), web.tokens, proof, public_url=web.settings.public_url)
    except (UnauthorisedError, ForbiddenError):
        return False
    return True


async def asking(request: Request) -> Asking:
    """Return what a request says of itself."""
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in request.headers.items():
        headers[name] = (*headers.get(name, ()), value)
    return Asking(
        method=request.method,
        peer=request.client.host if request.client else None,
        headers=headers,
        csrf=await _csrf(request),
    )


def set_cookie(web: Web, response: Response, value: str) -> None:
    """Give a session's cookie to the browser; it ends with the browser, or here."""
    response.set_cookie(web.cookie, value, httponly=True, samesite="strict", secure=web.secure)


async def _let_in(web: Web, request: Request, path: str) -> str | None:
    """Note caller and session on the request; return the cookie of a session that the demo hands out."""
    needed = access(request.method, path)
    if needed is None:
        raise ForbiddenError("this address answers nobody")
    if needed.signed:
        request.state.session, request.state.caller = None, FORGE
        return None
    asked = await asking(request)
    session, cookie = web.sessions.find(request.cookies.get(web.cookie)), None
    if session is None and _gets_a_demo_session(web, request, asked):
        cookie, session = web.sessions.begin(DEMO)
    proof = session.proof if session is not None else None
    request.state.session = _unless_token(asked, session)
    request.state.caller = decide(needed, asked, web.tokens, proof, public_url=web.settings.public_url)
    return cookie


def _gets_a_demo_session(web: Web, request: Request, asked: Asking) -> bool:
    return (
        web.demo
        and asked.method in READING
        and "authorization" not in asked.headers
        and "text/html" in request.headers.get("accept", "")
        and is_local(asked)
    )


def _unless_token(asked: Asking, session: Session | None) -> Session | None:
    return None if "authorization" in asked.headers else session


async def _csrf(request: Request) -> str:
    if request.method in READING:
        return ""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        return str((await request.form()).get("csrf", ""))
    return request.headers.get("x-csrf-token", "")

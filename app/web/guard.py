"""Where requests meet the rules of `auth`: each route asks here before it reads a body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from app.core.base import now
from app.web.access import access
from app.web.auth import (
    READING,
    Asking,
    Caller,
    ForbiddenError,
    Role,
    UnauthorisedError,
    decide,
    is_local,
    safe_next,
    shows_token,
)
from app.web.context import web_of
from app.web.ways import Login, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request, Response

    from app.web.auth import Access
    from app.web.context import Web
    from app.web.sessions import Session

FORM = "application/x-www-form-urlencoded"
ANYONE = Caller("anyone", None)
DEMO = Login(Caller("demo", Role.OPERATOR), Way.DEMO)
FORGE = Caller("forge", None)
LONGEST_MESSAGE = 1500
MESSAGE_S = 300
"""A message that no page has shown by then is no news any more."""


class GuardedRoute(APIRoute):
    """A route that answers only those whom the table of `access` lets in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind the guard."""
        inner = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            web = web_of(request)
            try:
                visit = await _let_in(web, request, self.path)
            except UnauthorisedError:
                if not _may_log_in(web, request):
                    raise
                return RedirectResponse(f"/login?next={quote(_here(request))}", status_code=303)
            response = await inner(request)
            if visit is not None:
                visit.dress(web, response)
            return response

        return guarded


async def still_let_in(request: Request) -> bool:
    """Tell whether a request that was let in, and lasts, would be let in now: its session may be over.

    To ask this is no use of the session: a page that is only left open does not keep it.
    """
    web, needed = web_of(request), access(request.method, request.scope["path"])
    if needed is None:
        return False
    asked = await asking(request)
    proxied = web.ways.proxy.caller(asked)
    session = None if shows_token(asked, proxied) else await _session(web, request, proxied, used=False)
    try:
        _decided(web, needed, asked, session, proxied)
    except (UnauthorisedError, ForbiddenError):
        return False
    return True


@dataclass(frozen=True)
class _Visit:
    """A request with a page session: whether that is new, and the message that came with it."""

    session: Session
    fresh: bool
    message: str

    def dress(self, web: Web, response: Response) -> None:
        """Give the browser what has changed: the session's cookie, and the message for the next page."""
        if self.fresh:
            set_cookie(web, response, self.session)
        if self.session.message != self.message:
            _set_message(web, response, self.session)


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


def set_cookie(web: Web, response: Response, session: Session) -> None:
    """Give a session's cookie to the browser; it ends when the session does.

    Lax, not strict: links to us stand in proposals at the forges and in mail, and whoever follows one is
    to stay logged in. No GET changes anything, and each form carries a token of its own.
    """
    response.set_cookie(
        web.cookie,
        session.value,
        max_age=max(1, int((session.until - now()).total_seconds())),
        httponly=True,
        samesite="lax",
        secure=web.secure,
    )


def drop_cookie(web: Web, response: Response, name: str | None = None) -> None:
    """Take a cookie of ours away."""
    response.delete_cookie(name or web.cookie, httponly=True, samesite="lax", secure=web.secure)


async def _let_in(web: Web, request: Request, path: str) -> _Visit | None:
    """Note caller and session on the request; raises where it may not pass."""
    needed = access(request.method, path)
    if needed is None:
        raise ForbiddenError("this address answers nobody")
    request.state.session, request.state.caller = None, FORGE if needed.signed else ANYONE
    if needed.role is None and not needed.session:
        return None
    asked = await asking(request)
    proxied = web.ways.proxy.caller(asked)
    by_token = shows_token(asked, proxied)
    visit = None if by_token else await _visit(web, request, asked, proxied)
    session = visit.session if visit is not None else None
    request.state.session = session
    request.state.caller = _decided(web, needed, asked, session, proxied)
    return visit


def _decided(
    web: Web, needed: Access, asked: Asking, session: Session | None, proxied: Caller | None
) -> Caller:
    return decide(
        needed,
        asked,
        web.ways.tokens,
        session.proof if session is not None else None,
        public_url=web.settings.public_url,
        proxied=proxied,
        login=web.settings.web.login,
    )


async def _session(web: Web, request: Request, proxied: Caller | None, *, used: bool) -> Session | None:
    """Return the session of a request's cookie; a proxy's holds for as long as the proxy says the same."""
    session = await web.sessions.find(request.cookies.get(web.cookie), used=used)
    if session is not None and session.way == Way.PROXY and session.proof.caller != proxied:
        return None
    return session


async def _visit(web: Web, request: Request, asked: Asking, proxied: Caller | None) -> _Visit | None:
    """Return the page session of a request; a proxy's and the demo's visitors get one by reading a page."""
    session = await _session(web, request, proxied, used=True)
    if session is not None:
        session.message = _message(web, request, session)
        return _Visit(session, fresh=False, message=session.message)
    if asked.method not in READING or not _wants_page(request):
        return None
    if web.demo and is_local(asked):
        login = DEMO
    elif proxied is not None and proxied.role is not None:
        login = Login(proxied, Way.PROXY)
    else:
        return None
    fresh = await web.sessions.begin(
        login, peer=web.ways.proxy.peer(asked), agent=request.headers.get("user-agent", "")
    )
    return _Visit(fresh, fresh=True, message="")


def _may_log_in(web: Web, request: Request) -> bool:
    """Tell whether a person looks who can be shown the login instead; parts of a page are not for that."""
    return (
        web.settings.web.login
        and request.method in READING
        and _wants_page(request)
        and "authorization" not in request.headers
        and "hx-request" not in request.headers
    )


def _here(request: Request) -> str:
    query = request.url.query
    return safe_next(f"{request.url.path}?{query}" if query else request.url.path)


def _wants_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


async def _csrf(request: Request) -> str:
    if request.method in READING:
        return ""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        return str((await request.form()).get("csrf", ""))
    return request.headers.get("x-csrf-token", "")


def _message(web: Web, request: Request, session: Session) -> str:
    """Return the message that the last form left; one that is not sealed for this session is none."""
    seal, _, coded = request.cookies.get(web.message_cookie, "").partition(".")
    if not seal or not hmac.compare_digest(seal.encode(), _seal(session, coded).encode()):
        return ""
    try:
        return base64.urlsafe_b64decode(coded).decode(errors="ignore")  # it may have been cut
    except binascii.Error:
        return ""


def _set_message(web: Web, response: Response, session: Session) -> None:
    """Keep the message in the browser: whichever web process shows the next page has it then."""
    if not session.message:
        drop_cookie(web, response, web.message_cookie)
        return
    coded = base64.urlsafe_b64encode(session.message.encode()[:LONGEST_MESSAGE]).decode()
    response.set_cookie(
        web.message_cookie,
        f"{_seal(session, coded)}.{coded}",
        max_age=MESSAGE_S,
        httponly=True,
        samesite="lax",
        secure=web.secure,
    )


def _seal(session: Session, coded: str) -> str:
    return hmac.new(session.value.encode(), coded.encode(), hashlib.sha256).hexdigest()

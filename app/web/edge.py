"""The outermost layer: security headers, caps on bodies, and an answer for what nobody caught."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.core import logs
from app.web.problems import UNSAID, answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not no-referrer: under it browsers send "Origin: null" with our own forms
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
RAW = tuple((name.lower().encode(), value.encode()) for name, value in SECURITY.items())

MOST_BODY = 64 * 1024
LARGER = {"/webhooks/": 25 * 1024 * 1024}
"""What GitHub and GitLab send at most."""
TOO_LARGE = "the body is larger than this address takes"


class Edge:
    """Stands around the application. Answers are not kept by anyone, unless they say so themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; an error that nobody caught becomes a 500 that tells nothing."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.raw.extend(RAW)  # no answer has one of these by itself
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        most = next((cap for path, cap in LARGER.items() if scope["path"].startswith(path)), MOST_BODY)
        try:
            if _declared(scope) > most:
                await answer(Request(scope), 413, TOO_LARGE)(scope, receive, send_with_headers)
                return
            await self._app(scope, _capped(receive, most), send_with_headers)
        except Exception as error:
            logs.get().error("request failed", path=scope["path"], exc_info=error)
            if started:
                raise
            await answer(Request(scope), 500, UNSAID)(scope, receive, send_with_headers)


def _declared(scope: Scope) -> int:
    """Return the length that a request says of its body; 0 where it says none that can be read."""
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(said) if said.isdigit() and len(said) < 20 else 0


def _capped(receive: Receive, most: int) -> Receive:
    """Return the request's body up to the cap; the framework's own cap answers in plain text."""
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413, TOO_LARGE)
        return message

    return receive_some

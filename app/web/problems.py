"""Errors as answers: RFC 9457 problem details for programs, a page of the same words for people."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.core.errors import (
    BadRequestError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PimaintenoError,
    QueueError,
    StoreError,
)
from app.web.auth import ForbiddenError, UnauthorisedError
from app.web.context import web_of
from app.web.hub import TooManyStreamsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI, Request, Response

MEDIA_TYPE = "application/problem+json"
MOST_OF_A_PATH, MOST_OF_A_NAME, MOST_NAMED = 200, 60, 10
UNSAID = "something went wrong here; the log says what"


class TooManyError(PimaintenoError):
    """Asked too often: 429, with the seconds to wait."""

    def __init__(self, text: str, *, wait_s: float) -> None:
        super().__init__(text)
        self.wait_s = wait_s


STATUS: tuple[tuple[type[PimaintenoError], int], ...] = (
    (UnauthorisedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (BadRequestError, 400),
    (TooManyError, 429),
    (StoreError, 503),
    (TooManyStreamsError, 503),
    (QueueError, 503),
    (ConfigurationError, 500),
)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    app.add_exception_handler(PimaintenoError, _ours)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)


def answer(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as the caller wants to read it."""
    # half of a surrogate pair can be sent in JSON, and has no bytes in UTF-8
    detail = web_of(request).redactor.text(detail).encode("utf-8", "replace").decode()
    title = HTTPStatus(status).phrase
    if _wants_page(request):
        from app.web.pages import problem_page

        return problem_page(request, status, detail, headers)
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


async def _ours(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    headers: dict[str, str] = {}
    if isinstance(error, UnauthorisedError):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyError):
        headers["Retry-After"] = str(int(error.wait_s) + 1)
    if status == 500:
        from app.core import logs

        logs.get().error("request failed", path=request.url.path, error=str(error))
        return answer(request, status, UNSAID)
    return answer(request, status, str(error), headers)


async def _of_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = (
        f"{request.url.path[:MOST_OF_A_PATH]}: {error.detail}"
        if error.status_code in {404, 405}
        else str(error.detail)
    )
    return answer(request, error.status_code, detail, error.headers)


async def _of_validation(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    said = [f"{_where(one['loc'])}: {one['msg']}" for one in error.errors()]
    more = f"; and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
    return answer(request, 422, "; ".join(said[:MOST_NAMED]) + more)


def _where(place: Sequence[int | str]) -> str:
    """Name a parameter, or a field of a body; its name may be what the caller made up."""
    return ".".join(str(part)[:MOST_OF_A_NAME] for part in place)


def _wants_page(request: Request) -> bool:
    if getattr(request.app.state, "for_programs", False):
        return False
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")

"""The page of logins: everyone sees and ends their own, an administrator those of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.core.errors import NotFoundError
from app.web.api import READ
from app.web.auth import ForbiddenError, Role
from app.web.context import TheCaller, TheWeb, session_of
from app.web.guard import GuardedRoute
from app.web.pages import page
from app.web.parameters import Number  # noqa: TC001 - FastAPI reads it

if TYPE_CHECKING:
    from app.web.auth import Caller

router = APIRouter(route_class=GuardedRoute)


@router.api_route("/sessions", methods=READ)
async def shown(web: TheWeb, caller: TheCaller, request: Request) -> Response:
    """Show who is logged in."""
    from app.store import sessions as table

    async with web.store.read() as tx:
        rows = await table.listed(tx, name=None if _sees_all(caller) else caller.name)
    session = session_of(request)
    return page(
        request,
        "sessions.html",
        sessions=rows,
        present=session.number if session is not None else None,
        others=session is not None and sum(row.name == caller.name for row in rows) > 1,
        all=_sees_all(caller),
    )


@router.post("/sessions/{number}/end")
async def end(web: TheWeb, caller: TheCaller, request: Request, number: Number) -> Response:
    """End one login."""
    from app.store import sessions as table

    async with web.store.read() as tx:
        row = await table.get(tx, number)
    if row is None:
        raise NotFoundError("this login has ended already")
    if row.name != caller.name and not _sees_all(caller):
        raise ForbiddenError("only an administrator can end the login of somebody else")
    await web.sessions.revoke(number, by=caller.name)
    return _back(request, f"The login of {row.name} has ended.")


@router.post("/sessions/end")
async def end_others(web: TheWeb, caller: TheCaller, request: Request) -> Response:
    """End all of one's own logins but the present one."""
    session = session_of(request)
    ended = await web.sessions.revoke_others(caller.name, keep=session.number if session else None)
    return _back(request, f"Logins ended: {ended}.")


def _back(request: Request, message: str) -> Response:
    session = session_of(request)
    if session is not None:
        session.message = message
    return RedirectResponse("/sessions", status_code=303)


def _sees_all(caller: Caller) -> bool:
    return caller.role is Role.ADMINISTRATOR

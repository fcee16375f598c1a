"""What all pages for people share: plain HTML that works without JavaScript, a message, a theme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from app.web.api import READ
from app.web.auth import Role, safe_next
from app.web.context import session_of, web_of
from app.web.guard import GuardedRoute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.web.auth import Caller

router = APIRouter(route_class=GuardedRoute)
THEMES = ("light", "dark")
MOST_QUERY = 500
TITLES = {
    400: "This cannot be read",
    401: "Please log in",
    403: "Not allowed",
    404: "Not here",
    405: "Not here",
    409: "Not done",
    413: "Too large",
    422: "This cannot be read",
    429: "Too many attempts",
    503: "Not to be had just now",
}
A_YEAR_S = 365 * 86400


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
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as a page, with the way back."""
    pressed = request.method == "POST" and request.url.path.startswith("/proposals/")
    number = request.path_params.get("number") if pressed else None
    return page(
        request,
        "problem.html",
        status=status,
        headers=headers,
        title=TITLES.get(status, "Something went wrong"),
        detail=detail,
        code=status,
        number=number if isinstance(number, int) or str(number).isdecimal() else None,
    )


def may_act(caller: Caller | None) -> bool:
    """Tell templates whether buttons are of use to this caller."""
    return caller is not None and caller.role is not None and caller.role >= Role.OPERATOR

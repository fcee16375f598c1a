"""The table of every route and the role that it needs; a route that is not in here answers nobody."""

from __future__ import annotations

from app.web.auth import Access, Role

ANYONE = Access(None)
VIEWER = Access(Role.VIEWER)
OPERATOR = Access(Role.OPERATOR)
LOGIN = Access(None, session=True)
SIGNED = Access(None, signed=True)

ACCESS: dict[tuple[str, str], Access] = {
    ("GET", "/healthz"): ANYONE,
    ("GET", "/readyz"): VIEWER,
    ("GET", "/static/{name}"): ANYONE,
    ("GET", "/theme"): ANYONE,
    ("GET", "/login"): LOGIN,
    ("POST", "/login"): LOGIN,  # the form carries what lets them in, and attempts are counted
    ("GET", "/login/link/{token}"): LOGIN,
    ("GET", "/login/oauth/{name}"): LOGIN,
    ("GET", "/login/oauth/{name}/callback"): LOGIN,
    ("POST", "/logout"): VIEWER,
    ("GET", "/sessions"): VIEWER,
    ("POST", "/sessions/end"): VIEWER,  # one's own
    ("POST", "/sessions/{number}/end"): VIEWER,  # one's own; an administrator's, anybody's
    ("GET", "/"): VIEWER,
    ("GET", "/projects"): VIEWER,
    ("GET", "/projects/{name}"): VIEWER,
    ("GET", "/history"): VIEWER,
    ("GET", "/history/{number}"): VIEWER,
    ("GET", "/history.jsonl"): VIEWER,
    ("GET", "/proposals/{number}"): VIEWER,
    ("GET", "/live"): VIEWER,
    ("GET", "/metrics"): VIEWER,
    ("GET", "/proposals/{number}/files/{file}"): VIEWER,
    ("POST", "/proposals/{number}/merge"): OPERATOR,
    ("POST", "/proposals/{number}/close"): OPERATOR,
    ("POST", "/proposals/{number}/retry"): OPERATOR,
    ("POST", "/proposals/{number}/snooze"): OPERATOR,
    ("GET", "/api/v1/proposals"): VIEWER,
    ("GET", "/api/v1/proposals/{id}"): VIEWER,
    ("POST", "/api/v1/proposals/{id}/merge"): OPERATOR,
    ("POST", "/api/v1/proposals/{id}/close"): OPERATOR,
    ("POST", "/api/v1/proposals/{id}/retry"): OPERATOR,
    ("POST", "/api/v1/proposals/{id}/snooze"): OPERATOR,
    ("GET", "/api/v1/projects"): VIEWER,
    ("GET", "/api/v1/history"): VIEWER,
    ("GET", "/api/v1/openapi.json"): VIEWER,
    ("POST", "/webhooks/{forge}"): SIGNED,
}


def access(method: str, path: str) -> Access | None:
    """Return what a route needs; HEAD is GET without a body."""
    return ACCESS.get(("GET" if method == "HEAD" else method, path))

"""Every route and every role: generated from the application, so that no route can be forgotten."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from fastapi.routing import iter_route_contexts

from app.core.models import ProposalState
from app.web import links
from app.web.access import ACCESS, access
from app.web.auth import Caller, Role
from app.web.guard import GuardedRoute
from app.web.ways import Login, Way
from tests.web.conftest import TOKENS, Site, add_proposal

if TYPE_CHECKING:
    from fastapi import FastAPI

ROLES = [None, *Role]
BODIES = {"/api/v1/proposals/{id}/snooze": {"duration": "7d"}}


async def address_of(site: Site, path: str, role: Role | None, number: int) -> str:
    """An address of a route that is there; a login to be ended is the caller's own."""
    if path.startswith("/sessions/{"):
        name = f"token:{role.name.lower()}" if role else "token:viewer"
        number = (await site.app.state.web.sessions.begin(Login(Caller(name, Role.VIEWER), Way.TOKEN))).number
    if "{token}" in path:
        link = await links.make(site.store, site.settings, name="pi", role=Role.VIEWER, by="test")
        return urlsplit(link).path
    path = re.sub(r"\{(number|id)\}", str(number), path)
    path = path.replace("/static/{name}", "/static/style.css")
    return path.replace("{name}", "greeter").replace("{forge}", "hub")


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    found = set()
    for route in iter_route_contexts(app.routes):
        assert isinstance(route.original_route, GuardedRoute), f"{route.path} is not guarded"
        found |= {(method, str(route.path)) for method in route.methods or ()}
    return found


def test_the_table_names_every_route_and_no_other(site: Site) -> None:
    routes = routes_of(site.app)
    without_head = {(method, path) for method, path in routes if method != "HEAD"}
    assert without_head == set(ACCESS)
    assert {path for method, path in routes if method == "HEAD"} == {
        path for method, path in ACCESS if method == "GET"
    }


def test_only_reading_is_open_to_viewers() -> None:
    writing = {path: needed for (method, path), needed in ACCESS.items() if method != "GET"}
    assert {path for path, needed in writing.items() if needed.role is None} == {
        "/login",
        "/webhooks/{forge}",
    }
    assert {path for path, needed in writing.items() if needed.signed} == {"/webhooks/{forge}"}
    assert {path for path, needed in writing.items() if needed.role is Role.VIEWER} == {
        "/logout",
        "/sessions/end",
        "/sessions/{number}/end",
    }
    assert access("PUT", "/") is None


def test_a_route_that_is_not_in_the_table_answers_nobody(site: Site) -> None:
    assert access("GET", "/forgotten") is None


async def test_a_forgotten_route_is_forbidden_even_to_an_administrator(site: Site) -> None:
    async def forgotten() -> str:
        return "secret"

    site.app.add_api_route("/forgotten", forgotten)
    async with site.client(token=TOKENS["administrator"]) as client:
        assert (await client.get("/forgotten")).status_code == 403


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name.lower() if role else "nobody")
@pytest.mark.parametrize(("method", "path"), sorted(ACCESS), ids=lambda part: part)
async def test_each_route_with_each_role(site: Site, method: str, path: str, role: Role | None) -> None:
    state = ProposalState.FAILED if path.endswith("retry") else ProposalState.OPEN
    number = await add_proposal(site.store, state=state)
    token = TOKENS[role.name.lower()] if role else ""
    address = await address_of(site, path, role, number)
    site.app.state.web.hub.close()  # a stream would not end
    async with site.client(peer="192.0.2.7", base="http://bot.example.org", token=token) as client:
        answer = await client.request(method, address, json=BODIES.get(path))
    needed = ACCESS[method, path].role
    if ACCESS[method, path].signed:
        assert answer.status_code == 404  # no webhook is configured
    elif needed is None:
        missing = {"/theme": 303, "/login/oauth/{name}": 404, "/login/oauth/{name}/callback": 404}
        # no forge is configured for login, and the login form's Origin is missing
        assert answer.status_code == (missing.get(path, 200) if method == "GET" else 403)
    elif role is None:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    elif role < needed:
        assert answer.status_code == 403
    else:
        assert answer.status_code in {200, 202, 303, 503}, answer.text
        assert answer.status_code != 503 or path == "/readyz"

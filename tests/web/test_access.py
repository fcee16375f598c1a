"""Every route and every role: generated from the application, so that no route can be forgotten."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from fastapi.routing import iter_route_contexts

from app.core.models import ProposalState
from app.core.settings import WebProxy
from app.web import links, ways
from app.web.access import ACCESS, access
from app.web.auth import Caller, Role
from app.web.guard import GuardedRoute
from app.web.main import create_webhook_app
from app.web.ways import Login
from tests.web.conftest import TOKENS, Site, add_proposal
from tests.web.html_of import HERE

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.core.settings import Settings
    from app.web.sessions import Session
    from tests.web.conftest import Make

FAR = {"peer": "192.0.2.7", "base": "http://bot.example.org"}
FORMS = {"/proposals/{number}/snooze": {"duration": "1w"}}
BODIES = {"/api/v1/proposals/{id}/snooze": {"duration": "7d"}}


async def address_of(site: Site, path: str, role: Role | None, number: int) -> str:
    """An address of a route that is there; a login to be ended is the caller's own."""
    if path.startswith("/sessions/{"):
        name = f"token:{role.name.lower()}" if role else "token:viewer"
        number = (
            await site.app.state.web.sessions.begin(Login(Caller(name, Role.VIEWER), ways.Way.TOKEN))
        ).number
    if "{token}" in path:
        link = await links.make(site.store, site.settings, name="pi", role=Role.VIEWER, by="test")
        return urlsplit(link).path
    path = re.sub(r"\{(number|id)\}", str(number), path)
    path = path.replace("/static/{name}", "/static/style.css")
    return path.replace("{name}", "greeter").replace("{forge}", "hub").replace("{file}", "0")


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


@dataclass(frozen=True)
class Way:
    """One way to come: by which site, from where, showing what; and the role that this gives."""

    name: str
    role: Role | None
    site: str = "login"
    reads: bool = False
    """Whether it is for reading alone."""
    refused: int = 401
    """What whoever has no role that way is told."""
    given: dict[str, str] = field(default_factory=dict)
    session: bool = False
    csrf: bool = True


PROXIED = {"peer": "10.0.0.1", "base": "https://bot.example.org", "x_forwarded_for": "192.0.2.7"}
WAYS = [
    Way("nobody", None, given=FAR),
    Way("this machine", None),
    Way("this machine without login", Role.VIEWER, site="open", reads=True),
    Way("this machine through a proxy", None, site="open", given={"x_forwarded_for": "192.0.2.7"}),
    Way("a wrong token", None, given=FAR | {"token": "wrong"}),
    *(Way(f"token {role.name}", role, given=FAR | {"token": TOKENS[role.name.lower()]}) for role in Role),
    *(Way(f"session {role.name}", role, session=True) for role in Role),
    Way("session without its form's token", Role.ADMINISTRATOR, session=True, csrf=False, refused=403),
    *(
        Way(
            f"proxy {role.name}",
            role,
            "proxy",
            reads=True,
            given=PROXIED | {"remote_user": role.name.lower()},
        )
        for role in Role
    ),
    Way("a stranger by the proxy", None, "proxy", refused=403, given=PROXIED | {"remote_user": "mallory"}),
    Way("a proxy's header from elsewhere", None, "proxy", given=FAR | {"remote_user": "administrator"}),
    Way("a proxy without a user", None, "proxy", given=PROXIED),
]


def sites_of(make_site: Make, settings: Settings) -> dict[str, Site]:
    table = {role.name.lower(): role.name.lower() for role in Role}
    web = settings.web
    proxy = WebProxy.model_validate({"addresses": ["10.0.0.0/8"], "roles": table})
    changed = {
        "login": web,
        "open": web.model_copy(update={"login": False}),
        "proxy": web.model_copy(update={"proxy": proxy}),
    }
    made = {name: make_site(settings.model_copy(update={"web": each})) for name, each in changed.items()}
    for site in made.values():
        site.app.state.web.hub.close()  # a stream would not end
    return made


def expected(method: str, path: str, way: Way) -> set[int]:
    """What the table says that this route answers to this way."""
    needed = ACCESS[method, path]
    if needed.signed:
        return {404}  # no webhook is configured
    if needed.role is None:
        # no forge is configured for login, and the login form's Origin is missing
        strange = {"/theme": 303, "/login/oauth/{name}": 404, "/login/oauth/{name}/callback": 404}
        return {strange.get(path, 200)} if method == "GET" else {403, 401}
    writes = method != "GET"
    if way.role is None:
        return {401} if writes else {way.refused}  # without a session no form is read
    if writes and way.reads:
        return {401}
    if way.role < needed.role or (writes and not way.csrf):
        return {403}
    return {200, 202, 303} | ({503} if path == "/readyz" else set())


async def begun(site: Site, way: Way) -> Session | None:
    """The page session that a way has."""
    if not way.session or way.role is None:
        return None
    role = way.role.name.lower()
    login = Login(Caller(f"token:{role}", way.role), ways.Way.TOKEN)
    found: Session = await site.app.state.web.sessions.begin(login)
    return found


@pytest.mark.parametrize(("method", "path"), sorted(ACCESS), ids=lambda part: part)
async def test_each_route_by_each_way_with_each_role(
    make_site: Make, settings: Settings, method: str, path: str
) -> None:
    sites = sites_of(make_site, settings)
    state = ProposalState.FAILED if path.endswith("retry") else ProposalState.OPEN
    number = await add_proposal(sites["login"].store, state=state)
    for way in WAYS:
        site = sites[way.site]
        if method != "GET" and "/proposals/" in path:
            number = await add_proposal(site.store, state=state)
        given = dict(way.given)
        if session := await begun(site, way):
            given["cookie"] = f"pimainteno-0={session.value}"
            if way.csrf:
                given |= {"x_csrf_token": session.proof.csrf, "origin": HERE["origin"]}
        address = await address_of(site, path, way.role, number)
        async with site.client(**given) as client:  # type: ignore[arg-type]
            form = FORMS[path] | {"csrf": given.get("x_csrf_token", "")} if path in FORMS else None
            answer = await client.request(method, address, json=BODIES.get(path), data=form)
        told = f"{method} {path} by {way.name}: {answer.status_code} {answer.text[:200]}"
        assert answer.status_code in expected(method, path, way), told
        if answer.status_code == 401 and path != "/login":
            assert answer.headers["www-authenticate"] == "Bearer"


def test_the_port_of_the_webhooks_has_them_alone(make_site: Make, settings: Settings) -> None:
    web = settings.web.model_copy(update={"webhook_port": 8301})
    page = make_site(settings.model_copy(update={"web": web})).app
    hooks = routes_of(create_webhook_app(page.state.web))
    assert hooks == {("POST", "/webhooks/{forge}"), ("GET", "/healthz"), ("HEAD", "/healthz")}
    assert {route for route in routes_of(page) if route[0] != "HEAD"} == set(ACCESS) - {
        ("POST", "/webhooks/{forge}")
    }

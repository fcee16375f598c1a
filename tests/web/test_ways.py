"""Passwords, and the word of a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core import passwords
from app.core.settings import WebProxy, WebSettings
from app.store import events
from app.web.auth import Asking, Role
from app.web.brake import ATTEMPTS
from app.web.proxy import Proxy
from tests.web.conftest import Site, add_proposal
from tests.web.html_of import HERE, check_page, csrf_of

if TYPE_CHECKING:
    from app.core.settings import Settings
    from tests.web.conftest import Make

PASSWORD = "correct horse battery"
PUBLIC = "https://bot.example.org"
BY_PROXY: dict[str, Any] = {"peer": "10.0.0.1", "base": PUBLIC, "html": True, "x_forwarded_for": "192.0.2.7"}


def site_with(make_site: Make, settings: Settings, public_url: str = "", **web: object) -> Site:
    chosen = WebSettings.model_validate({"port": 0} | web)
    more = {"public_url": public_url} if public_url else {}
    return make_site(settings.model_copy(update={"web": chosen} | more))


@pytest.fixture
def of_users(make_site: Make, settings: Settings) -> Site:
    users = {"alice": {"password_hash": passwords.hashed(PASSWORD), "role": "operator"}, "bob": {}}
    return site_with(make_site, settings, users=users)


async def test_a_name_and_its_password_log_in(of_users: Site) -> None:
    async with of_users.client(html=True) as browser:
        text = check_page(await browser.get("/login"))
        assert 'autocomplete="username"' in text
        form = {"name": " Alice ", "password": PASSWORD}
        assert (await browser.post("/login", data=form, headers=HERE)).status_code == 303
        assert "user:alice" in (await browser.get("/sessions")).text


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("bob", ""),
        ("nobody", PASSWORD),
        ("nobody", ""),
        ("alice\0", PASSWORD),
    ],
)
async def test_nothing_else_does_and_all_is_told_alike(of_users: Site, name: str, password: str) -> None:
    async with of_users.client(html=True) as browser:
        answer = await browser.post("/login", data={"name": name, "password": password}, headers=HERE)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "Name and password do not fit." in check_page(answer)


async def test_a_burst_of_wrong_passwords_is_in_the_history_once_without_them(of_users: Site) -> None:
    async with of_users.client(html=True, peer="192.0.2.7") as browser:
        for _ in range(ATTEMPTS + 2):
            form = {"name": "alice", "password": "my-other-password"}
            answer = await browser.post("/login", data=form, headers=HERE)
        assert answer.status_code == 429
    async with of_users.store.read() as tx:
        happened, _ = await events.page(tx)
    assert [(event.kind, event.data) for event in happened] == [
        ("operator.login_failed", {"peer": "192.0.2.7"})
    ]
    assert "my-other-password" not in repr(happened)


@pytest.mark.parametrize(
    "text",
    ["", "x", "scrypt:3:8:1:AAAAAAAAAAAAAAAAAAAAAA==:AAAA", "scrypt:1073741824:8:1:QUFBQUFBQUE=:QUFB", "a:b"],
)
def test_what_is_no_hash_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="pimainteno password"):
        passwords.parse(text)


async def test_who_comes_by_a_trusted_proxy_reads_and_acts_with_a_form(
    make_site: Make, settings: Settings
) -> None:
    proxy = {"addresses": ["10.0.0.0/8"], "roles": {"Alice": "operator"}, "role": "viewer"}
    site = site_with(make_site, settings, PUBLIC, proxy=proxy)
    number = await add_proposal(site.store)
    async with site.client(**BY_PROXY, remote_user="alice") as browser:
        first = await browser.get(f"/proposals/{number}")
        cookie = first.headers["set-cookie"]
        assert cookie.startswith("__Host-pimainteno-0=")
        for said in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
            assert said in cookie
        assert "Domain" not in cookie
        form = {"csrf": csrf_of(first.text)}
        address = f"/proposals/{number}/close"
        for wrong in ({}, {"origin": "https://evil.example"}):
            assert (await browser.post(address, data=form, headers=wrong)).status_code == 403
        assert (await browser.post(address, data={}, headers={"origin": PUBLIC})).status_code == 403
        assert (await browser.post(address, data=form, headers={"origin": PUBLIC})).status_code == 303
        # somebody else at the same browser is not taken for her
        other = await browser.get("/sessions", headers={"remote-user": "bob"})
        assert "proxy:bob" in other.text
        assert "proxy:alice" not in other.text
        # the cookie alone, without the proxy's word, is nothing
    async with site.client(
        peer="192.0.2.9", base=PUBLIC, html=True, cookie=cookie.partition(";")[0]
    ) as thief:
        assert (await thief.get("/")).status_code == 303


def asked(**headers: str) -> Asking:
    return Asking(
        "GET", "::ffff:10.0.0.1", {name.replace("_", "-"): (value,) for name, value in headers.items()}
    )


@pytest.mark.parametrize(
    ("headers", "name", "role"),
    [
        ({"remote_user": "alice", "remote_role": "viewer"}, "proxy:alice", Role.ADMINISTRATOR),
        ({"remote_user": "bob", "remote_role": "Operator"}, "proxy:bob", Role.OPERATOR),
        ({"remote_user": "bob", "remote_role": "king"}, "proxy:bob", None),
        ({"remote_user": "bob"}, "proxy:bob", None),
        ({"remote_user": " "}, None, None),
        ({"remote_user": "a\x1bb"}, None, None),
        ({"remote_user": "x" * 201}, None, None),
        ({"remote_role": "administrator"}, None, None),
    ],
)
def test_whom_a_proxy_names(headers: dict[str, str], name: str | None, role: Role | None) -> None:
    given = {"addresses": ["10.0.0.0/8"], "roles": {"alice": "administrator"}, "role_header": "Remote-Role"}
    found = Proxy(WebProxy.model_validate(given)).caller(asked(**headers))
    assert (found.name if found else None) == name
    assert (found.role if found else None) == role


def test_two_names_are_none() -> None:
    proxy = Proxy(WebProxy.model_validate({"addresses": ["10.0.0.0/8"], "role": "administrator"}))
    assert proxy.caller(Asking("GET", "10.0.0.1", {"remote-user": ("alice", "bob")})) is None


def test_failed_logins_are_counted_by_whom_the_proxy_saw() -> None:
    proxy = Proxy(WebProxy.model_validate({"addresses": ["10.0.0.0/8"]}))
    assert proxy.peer(asked(x_forwarded_for="203.0.113.1, 192.0.2.7, 10.0.0.2")) == "192.0.2.7"
    lying = Asking("GET", "192.0.2.9", {"x-forwarded-for": ("203.0.113.1",)})
    assert proxy.peer(lying) == "192.0.2.9"

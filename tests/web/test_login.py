"""Logging in with a token, and out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.web.brake import ATTEMPTS
from tests.web.conftest import TOKENS, Site, add_proposal, make_settings
from tests.web.html_of import HERE, check_page, csrf_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.conftest import Make

PUBLIC = "https://bot.example.org"


async def test_a_token_becomes_a_session_that_can_press_buttons(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.client(html=True) as client:
        assert 'type="password"' in check_page(await client.get(f"/login?next=/proposals/{number}"))
        form = {"token": TOKENS["operator"], "next": f"/proposals/{number}"}
        answer = await client.post("/login", data=form, headers=HERE)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/proposals/{number}")
        text = check_page(await client.get(f"/proposals/{number}"))
        pressed = await client.post(f"/proposals/{number}/close", data={"csrf": csrf_of(text)}, headers=HERE)
        assert pressed.status_code == 303
        assert "Close requested" in (await client.get(f"/proposals/{number}")).text


async def test_a_viewer_sees_no_buttons_and_presses_none(site: Site) -> None:
    number = await add_proposal(site.store)
    async with site.login("viewer") as client:
        text = (await client.get(f"/proposals/{number}")).text
        assert "Yes, merge it" not in text
        answer = await client.post(f"/proposals/{number}/merge", data={"csrf": csrf_of(text)}, headers=HERE)
        assert answer.status_code == 403


async def test_logging_in_gives_a_fresh_session_and_logging_out_ends_it(site: Site) -> None:
    sessions = site.app.state.web.sessions
    async with site.client(html=True) as client:
        form = {"token": TOKENS["operator"]}
        first = (await client.post("/login", data=form, headers=HERE)).cookies["pimainteno-0"]
        second = (await client.post("/login", data=form, headers=HERE)).cookies["pimainteno-0"]
        assert first != second
        assert await sessions.find(first) is None
        text = (await client.get("/")).text
        assert "Log out" in text
        forged = await client.post("/logout", data={}, headers=HERE)
        assert forged.status_code == 403
        left = await client.post("/logout", data={"csrf": csrf_of(text)}, headers=HERE)
        assert (left.status_code, left.headers["location"]) == (303, "/login")
        assert await sessions.find(second) is None
        assert (await client.get("/")).headers["location"] == "/login?next=/"


async def test_a_wrong_token_is_refused_and_counted(site: Site) -> None:
    async with site.client(html=True) as client:
        for _ in range(ATTEMPTS):
            answer = await client.post("/login", data={"token": "wrong"}, headers=HERE)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers
            assert "not known here" in check_page(answer)
        late = await client.post("/login", data={"token": TOKENS["operator"]}, headers=HERE)
        assert late.status_code == 429
        assert int(late.headers["retry-after"]) > 200
    async with site.client(peer="127.0.0.2", html=True) as client:
        other = await client.post("/login", data={"token": TOKENS["operator"]}, headers=HERE)
        assert other.status_code == 303


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}, {"origin": "null"}])
async def test_another_site_logs_nobody_in(site: Site, headers: dict[str, str]) -> None:
    async with site.client(html=True) as client:
        answer = await client.post("/login", data={"token": TOKENS["operator"]}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_login_leads_nowhere_else(site: Site, target: str) -> None:
    async with site.client(html=True) as client:
        form = {"token": TOKENS["operator"], "next": target}
        answer = await client.post("/login", data=form, headers=HERE)
    assert answer.headers["location"] == "/"


async def test_behind_https_the_cookie_is_secure_and_the_session_reads(
    make_site: Make, tmp_path: Path
) -> None:
    site = make_site(make_settings(tmp_path / "state", public_url=PUBLIC))
    proxied = {"x-forwarded-for": "192.0.2.7"}
    async with site.client(base=PUBLIC, html=True) as client:
        assert (await client.get("/", headers=proxied)).headers["location"] == "/login?next=/"
        form = {"token": TOKENS["viewer"]}
        answer = await client.post("/login", data=form, headers=proxied | {"origin": PUBLIC})
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert (await client.get("/", headers=proxied)).status_code == 200


async def test_with_nothing_configured_the_page_says_how_to_get_in(make_site: Make, tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "state")
    bare = make_site(settings.model_copy(update={"web": settings.web.model_copy(update={"tokens": {}})}))
    async with bare.client(html=True) as client:
        text = check_page(await client.get("/login"))
    assert "pimainteno login" in text
    assert 'name="token"' not in text

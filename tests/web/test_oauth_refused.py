"""Logins at a forge that come to nothing, and why: those of thieves, and those of a forge in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from app.web.brake import ATTEMPTS
from tests.doubles.github.faults import Fault
from tests.web.abroad import KINDS, forge_again, nobody, there
from tests.web.html_of import check_page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.conftest import Make


@pytest.mark.parametrize("kind", KINDS)
async def test_who_says_no_at_the_forge_is_told_so(kind: str, make_site: Make, place: Path) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        forge.double.oauth.denies = True
        answer = await forge.log_in(browser)
        assert answer.status_code == 403
        assert "you did not allow it" in check_page(answer)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_login_that_another_began_is_none(kind: str, make_site: Make, place: Path) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser, forge.browser() as victim:
        theirs = await forge.to_the_forge(browser)
        for cookie in ("", "them.x.y.Lw==", f"other.{parse_qs(theirs.query.decode())['state'][0]}.v.Lw=="):
            if cookie:
                victim.cookies.set("pimainteno-0-oauth", cookie)
            answer = await victim.get(theirs)
            assert answer.status_code == 400
            assert "begin again" in check_page(answer)
            assert "pimainteno-0=" not in answer.headers.get("set-cookie", "")
        assert not any("token" in request.path for request in forge.double.requests)
        await forge.to_the_forge(victim)  # their own state does not fit this code either
        assert (await victim.get(theirs)).status_code == 400


@pytest.mark.parametrize("kind", KINDS)
async def test_a_code_counts_once(kind: str, make_site: Make, place: Path) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        back = await forge.to_the_forge(browser)
        kept = dict(browser.cookies)
        assert (await browser.get(back)).status_code == 303
        assert (await browser.get(back)).status_code == 400  # what was kept is gone
    async with forge_again(forge, kept) as thief:
        answer = await thief.get(back)
        assert answer.status_code in {403, 502}
        assert "set-cookie" not in answer.headers or "pimainteno-0=" not in answer.headers["set-cookie"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_code_for_another_application_is_refused(kind: str, make_site: Make, place: Path) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        oauth = forge.double.oauth
        other, _ = oauth.register("http://127.0.0.1:1/theirs")
        back = await forge.to_the_forge(browser)
        query = {"client_id": other, "redirect_uri": "http://127.0.0.1:1/theirs", "state": "s"}
        query |= {"response_type": "code", "code_challenge": "c", "code_challenge_method": "S256"}
        stolen = parse_qs(urlsplit(oauth.authorize(query)[1]["Location"]).query)["code"][0]
        state = parse_qs(back.query.decode())["state"][0]
        address = back.copy_with(query=urlencode({"code": stolen, "state": state}).encode())
        answer = await browser.get(address)
        assert answer.status_code == 403
        assert "did not confirm this login" in check_page(answer)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_code_is_of_no_use_without_the_proof_of_who_began(
    kind: str, make_site: Make, place: Path
) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        back = await forge.to_the_forge(browser)
        name, state, _, where = browser.cookies["pimainteno-0-oauth"].strip('"').split(".")
        browser.cookies.set("pimainteno-0-oauth", f"{name}.{state}.{'x' * 64}.{where}", domain="127.0.0.1")
        assert (await browser.get(back)).status_code in {400, 403}
        assert not [event for event in await forge.history() if event.kind == "operator.login"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("token", Fault(status=502, body=b"<html>bad gateway</html>")),
        ("token", Fault(status=200, headers={"Content-Type": "text/html"}, body=b"<html>maintenance</html>")),
        ("token", Fault(cuts=True)),
        ("/user", Fault(status=503, body=b"<html>away</html>")),
        ("/user", Fault(status=200, headers={"Content-Type": "text/html"}, body=b"<html>maintenance</html>")),
        ("/user", Fault(status=200, headers={"Content-Type": "application/json"}, body=b"[]")),
        ("/user", Fault(status=200, headers={"Content-Type": "application/json"}, body=b'{"login": 7}')),
        ("greeter", Fault(status=500, body=b"")),
        ("greeter", Fault(status=302, headers={"Location": "http://127.0.0.2:1/elsewhere"})),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.status}{value.body[:6].decode()}",
)
async def test_a_forge_in_trouble_lets_nobody_in(
    kind: str, path: str, fault: Fault, make_site: Make, place: Path
) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        nobody(forge.double)
        method = "POST" if path == "token" else "GET"
        forge.double.fault(method, f".*{path}.*", fault)
        answer = await forge.log_in(browser)
        assert answer.status_code in ({403} if fault.status == 302 else {502})
        text = check_page(answer)
        assert "Log in with them" in text
        assert "<html>maintenance" not in text
        assert not [event for event in await forge.history() if event.kind == "operator.login"]


async def test_a_forge_that_is_away(make_site: Make, place: Path) -> None:
    async with there("gitlab", make_site, place) as forge, forge.browser() as browser:
        back = await forge.to_the_forge(browser)
    async with forge_again(forge, dict(browser.cookies)) as again:
        answer = await again.get(back)
    assert answer.status_code == 502
    assert "cannot be reached" in check_page(answer)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_that_is_over_at_once(kind: str, make_site: Make, place: Path) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        forge.double.oauth.lasts_s = 1
        answer = await forge.log_in(browser)
        assert answer.status_code == 403
        assert "begin again" in check_page(answer)


@pytest.mark.parametrize("kind", KINDS)
async def test_failures_are_counted_here_too(kind: str, make_site: Make, place: Path) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        for _ in range(ATTEMPTS):
            assert (await browser.get("/login/oauth/them/callback?state=x&code=y")).status_code == 400
        late = await forge.log_in(browser)
        assert late.status_code == 429
        kinds = [event.kind for event in await forge.history()]
    assert kinds == ["operator.login_failed"]

"""The first start: a link for the administrator, where nobody could get in without one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.core.settings import WebSettings
from app.store import events
from app.web import first
from tests.web.html_of import HERE, check_page

if TYPE_CHECKING:
    from app.core.settings import Settings
    from tests.web.conftest import Make, Site

LINK = re.compile(r"http://127\.0\.0\.1:8300(/login/link/[A-Za-z0-9_-]{43})$")
HASH = "scrypt:16384:8:5:AAAAAAAAAAAAAAAAAAAAAA==:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def bare(make_site: Make, settings: Settings) -> Site:
    """A page with nothing configured for login."""
    return make_site(settings.model_copy(update={"web": WebSettings(port=0)}))


async def told(site: Site) -> list[str]:
    lines: list[str] = []
    await first.welcome(site.app.state.web, lines.append)
    return lines


async def test_the_link_lets_the_administrator_in_once(
    bare: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    line, more = await told(bare)
    assert more == "Later links: pimainteno login"
    found = LINK.search(line)
    assert found is not None
    token = found[1].rpartition("/")[2]
    assert token not in capsys.readouterr().err  # the log says only that there is one
    async with bare.client(html=True) as browser:
        for _ in range(2):  # whatever looks at links ahead uses nothing up
            text = check_page(await browser.get(found[1]))
        assert "once, as administrator" in text
        assert "set-cookie" not in (await browser.get(found[1])).headers
        entered = await browser.post("/login", data={"link": token}, headers=HERE)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert (await browser.get("/sessions")).status_code == 200
    async with bare.client(html=True) as thief:
        late = await thief.post("/login", data={"link": token}, headers=HERE)
        assert late.status_code == 401
        assert "has been used" in check_page(late)
        assert (await thief.get(found[1])).status_code == 410
    async with bare.store.read() as tx:
        happened, _ = await events.page(tx)
    assert token not in repr(happened)
    assert await told(bare) == []  # an administrator has been here


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}, {"origin": "null"}])
async def test_another_site_cannot_use_a_link_up(bare: Site, headers: dict[str, str]) -> None:
    line, _ = await told(bare)
    token = line.rpartition("/")[2]
    async with bare.client(html=True) as browser:
        assert (await browser.post("/login", data={"link": token}, headers=headers)).status_code == 403
        assert (await browser.get(f"/login/link/{token}")).status_code == 200


@pytest.mark.parametrize(
    ("web", "links"),
    [
        ({}, 2),
        ({"tokens": {"ci": {"token": "x", "role": "viewer"}}}, 2),
        ({"tokens": {"ci": {"token": "", "role": "administrator"}}}, 2),
        ({"tokens": {"ci": {"token": "x", "role": "administrator"}}}, 0),
        ({"users": {"me": {"password_hash": HASH, "role": "administrator"}}}, 0),
        ({"users": {"me": {"password_hash": HASH, "role": "operator"}}}, 2),
        ({"oauth": {"hub": {"forge": "hub", "client_id": "x", "client_secret": "y"}}}, 0),
        ({"proxy": {"addresses": ["10.0.0.1"], "role": "viewer"}}, 2),
        ({"proxy": {"addresses": ["10.0.0.1"], "roles": {"me": "administrator"}}}, 0),
        ({"proxy": {"roles": {"me": "administrator"}}}, 2),
        ({"login": False}, 0),
    ],
)
async def test_there_is_one_where_no_administrator_could_get_in(
    make_site: Make, settings: Settings, web: dict[str, object], links: int
) -> None:
    chosen = WebSettings.model_validate({"port": 0} | web)
    assert len(await told(make_site(settings.model_copy(update={"web": chosen})))) == links

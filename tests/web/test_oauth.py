"""Logging in with GitHub and GitLab: out to the doubles and back, as a browser goes; who comes in as what."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from app.core.settings import GitHubForge, GitLabForge, WebSettings
from app.web.oauth import Site as Place
from tests.web.abroad import KINDS, Authority, lets, nobody, there
from tests.web.conftest import TOKENS
from tests.web.html_of import check_page
from tests.worker.forges.authority import certificates

if TYPE_CHECKING:
    from tests.web.conftest import Make, Site


@pytest.mark.parametrize("kind", KINDS)
async def test_somebody_who_may_write_comes_in_as_operator_and_where_they_wanted_to(
    kind: str, make_site: Make, place: Path
) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        text = check_page(await browser.get("/login?next=/history"))
        assert 'href="/login/oauth/them?next=/history"' in text
        entered = await forge.log_in(browser)
        assert (entered.status_code, entered.headers["location"]) == (303, "/history")
        assert (await browser.get("/history")).status_code == 200
        assert "octocat@them" in (await browser.get("/sessions")).text
        assert not any(name.endswith("-oauth") for name in browser.cookies)
        (event,) = [event for event in await forge.history() if event.kind == "operator.login"]
    assert event.actor == "octocat@them"
    assert event.data == {"way": "forge", "role": "operator"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("right", "role"),
    [
        ("guest", None), ("read", "viewer"), ("triage", "viewer"), ("write", "operator"),
        ("maintain", "administrator"), ("admin", "administrator"),
    ],
)  # fmt: skip
async def test_rights_in_our_projects_make_the_role(
    kind: str, right: str, role: str | None, make_site: Make, place: Path
) -> None:
    async with there(kind, make_site, place) as forge, forge.browser() as browser:
        nobody(forge.double)
        lets(forge.double, "me/other", "octocat", "admin")  # none of ours
        lets(forge.double, "me/web", "octocat", right)
        entered = await forge.log_in(browser)
        made_of = [e.data["role"] for e in await forge.history() if e.kind == "operator.login"]
    assert made_of == ([role] if role else [])
    assert entered.status_code == (303 if role else 403)
    if role is None:
        assert "octocat has no role here" in check_page(entered)
        assert "pimainteno-0=" not in entered.headers.get("set-cookie", "")


async def test_that_all_the_world_may_read_a_repository_is_no_role(make_site: Make, place: Path) -> None:
    async with there("github", make_site, place, scopes="") as forge, forge.browser() as browser:
        nobody(forge.double)
        for repo in ("me/greeter", "me/web"):
            forge.double.repo(repo).private = False
        assert (await forge.log_in(browser)).status_code == 403
        lets(forge.double, "me/web", "octocat", "write")
        assert (await forge.log_in(browser)).status_code == 303


async def test_the_highest_of_several_projects_counts(make_site: Make, place: Path) -> None:
    async with there("gitlab", make_site, place) as forge, forge.browser() as browser:
        lets(forge.double, "me/greeter", "octocat", "maintain")
        lets(forge.double, "me/web", "octocat", "read")
        assert (await forge.log_in(browser)).status_code == 303
        assert (await forge.history())[0].data["role"] == "administrator"


async def test_a_renamed_repository_is_still_asked(make_site: Make, place: Path) -> None:
    async with there("github", make_site, place) as forge, forge.browser() as browser:
        nobody(forge.double)
        lets(forge.double, "me/web", "octocat", "write")
        forge.double.rename("me/web", "me/site")
        assert (await forge.log_in(browser)).status_code == 303


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("who", "status"), [("OctoCat", 303), ("alice", 403)])
async def test_with_a_table_only_who_stands_in_it_comes_in(
    kind: str, who: str, status: int, make_site: Make, place: Path
) -> None:
    async with (
        there(kind, make_site, place, roles={who: "viewer"}, scopes="") as forge,
        forge.browser() as browser,
    ):
        entered = await forge.log_in(browser)
        assert entered.status_code == status
        asked = {request.path for request in forge.double.requests}
        roles = [e.data["role"] for e in await forge.history() if e.kind == "operator.login"]
    assert roles == ["viewer"] * (status == 303)
    assert not any("project" in path or "repos" in path for path in asked)


@pytest.mark.parametrize("named", [True, False])
async def test_a_forge_under_an_authority_of_ones_own(make_site: Make, place: Path, named: bool) -> None:
    """It is trusted where `ca_file` names it, and nowhere else."""
    ca_file, chain, key = certificates(place)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(chain, key)
    authority = Authority(ca_file, served, named=named)
    async with there("gitlab", make_site, place, authority=authority) as forge, forge.browser() as browser:
        entered = await forge.log_in(browser)
        roles = [event.data["role"] for event in await forge.history() if event.kind == "operator.login"]
    assert entered.status_code == (303 if named else 502)
    assert roles == ["operator"] * named


async def test_a_session_ends_when_its_person_leaves_the_table(make_site: Make, place: Path) -> None:
    table = {"octocat": "viewer"}
    async with there("github", make_site, place, roles=table) as forge, forge.browser() as browser:
        await forge.log_in(browser)
        assert (await browser.get("/history")).status_code == 200
        web = forge.site.settings.web
        entry = web.oauth["them"].model_copy(update={"roles": {"alice": "viewer"}})
        web = web.model_copy(update={"oauth": {"them": entry}})
        after = make_site(forge.site.settings.model_copy(update={"web": web}))
        kept = {name: browser.cookies[name] for name in browser.cookies}
        async with after.client(html=True) as again:
            again.cookies.update(kept)
            assert (await again.get("/history")).status_code == 303


async def test_an_unknown_name_is_404(site: Site) -> None:
    async with site.client(html=True) as client:
        assert (await client.get("/login/oauth/nobody")).status_code == 404
        assert (await client.get("/login/oauth/nobody/callback?state=x&code=y")).status_code == 404


async def test_nothing_secret_is_in_pages_or_history(make_site: Make, place: Path) -> None:
    async with there("github", make_site, place) as forge, forge.browser() as browser:
        back = await forge.to_the_forge(browser)
        verifier = browser.cookies["pimainteno-0-oauth"].split(".")[2]
        await browser.get(back)
        told = repr(await forge.history()) + (await browser.get("/history")).text
        token = next(each for each in forge.double.access.tokens if each.startswith("gho_"))
        code = parse_qs(back.query.decode())["code"][0]
    for secret in (verifier, token, code, *TOKENS.values()):
        assert secret not in told
    files = Path(forge.site.store.place).parent.glob("pimainteno.sqlite3*")
    assert token.encode() not in b"".join(file.read_bytes() for file in files)


@pytest.mark.parametrize(
    ("forge", "authorize", "token", "api"),
    [
        (
            GitHubForge(kind="github"),
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
            "https://api.github.com",
        ),
        (
            GitHubForge(kind="github", api_url="https://git.example.com/api/v3"),
            "https://git.example.com/login/oauth/authorize",
            "https://git.example.com/login/oauth/access_token",
            "https://git.example.com/api/v3",
        ),
        (
            GitHubForge(kind="github", api_url="https://api.octo.ghe.com"),
            "https://octo.ghe.com/login/oauth/authorize",
            "https://octo.ghe.com/login/oauth/access_token",
            "https://api.octo.ghe.com",
        ),
        (
            GitLabForge(kind="gitlab", url="https://example.com/gitlab"),
            "https://example.com/gitlab/oauth/authorize",
            "https://example.com/gitlab/oauth/token",
            "https://example.com/gitlab/api/v4",
        ),
    ],
)
def test_the_places_follow_from_the_forges_address(
    forge: GitHubForge | GitLabForge, authorize: str, token: str, api: str
) -> None:
    assert Place.of(forge) == Place(authorize, token, api, None)


def test_a_secret_is_not_in_representations() -> None:
    entry = {"forge": "hub", "client_id": "x", "client_secret": SecretStr("very-secret")}
    assert "very-secret" not in repr(WebSettings.model_validate({"oauth": {"hub": entry}}))

"""Logging in with GitHub and GitLab: out to the doubles and back, as a browser goes; and what goes wrong."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from app.core.settings import GitHubForge, GitLabForge, LocalForge, ProjectSettings, WebSettings
from app.store import events
from app.web.brake import ATTEMPTS
from app.web.oauth import Site as Place
from tests.doubles.github import GitHub
from tests.doubles.github.faults import Fault
from tests.doubles.gitlab import GitLab
from tests.doubles.origin import made
from tests.web.conftest import TOKENS, make_settings
from tests.web.html_of import check_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.models import Event
    from tests.web.conftest import Make, Site

HERE = "http://127.0.0.1:8300"
KINDS = ["github", "gitlab"]


@dataclass
class There:
    """A forge, an application of ours on it, and our page."""

    kind: str
    double: Any
    site: Site
    client_id: str

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        async with self.site.client(html=True) as browser:
            yield browser

    async def to_the_forge(self, browser: httpx.AsyncClient, target: str = "/history") -> httpx.URL:
        """Press the button; return where the forge sends the browser."""
        out = await browser.get("/login/oauth/them", params={"next": target})
        assert out.status_code == 303, out.text
        async with httpx.AsyncClient() as abroad:
            back = await abroad.get(out.headers["location"])
        assert back.status_code == 302, back.text
        return httpx.URL(back.headers["location"])

    async def log_in(self, browser: httpx.AsyncClient) -> httpx.Response:
        return await browser.get(await self.to_the_forge(browser))

    async def history(self) -> list[Event]:
        async with self.site.store.read() as tx:
            return (await events.page(tx))[0]


@asynccontextmanager
async def there(kind: str, make_site: Make, place: Path, **oauth: Any) -> AsyncIterator[There]:
    """A forge with two projects of ours, and one that is none."""
    origin = made(place / "owner")
    origin.commit({"a.txt": "1\n"})
    repos = dict.fromkeys(("me/greeter", "me/web", "me/other"), origin.bare)
    double: Any = (
        GitHub(place / "hub", repos=repos) if kind == "github" else GitLab(place / "lab", repos=repos)
    )
    with double:
        callback = f"{HERE}/login/oauth/them/callback"
        client_id, secret = double.oauth.register(callback, "repo", "read_api", "read_user")
        given = {"forge": "forge", "client_id": client_id, "client_secret": secret} | oauth
        if kind == "github":
            given.setdefault("scopes", "repo")
            forge: Any = GitHubForge(kind="github", api_url=double.url)
        else:
            forge = GitLabForge(kind="gitlab", url=double.url)
        settings = make_settings(
            place / "state",
            public_url=HERE,
            web=WebSettings.model_validate({"port": 0, "oauth": {"them": given}}),
            forges={"forge": forge, "here": LocalForge(kind="local")},
            projects={
                "greeter": ProjectSettings(forge="forge", repo="me/greeter"),
                "web": ProjectSettings(forge="forge", repo="me/web"),
                "local": ProjectSettings(forge="here", repo="/srv/x.git"),
            },
        )
        yield There(kind, double, make_site(settings), client_id)


def lets(double: Any, repo: str, login: str, right: str) -> None:
    """Give somebody a right: none, guest, read, triage, write, maintain or admin."""
    if isinstance(double, GitHub):
        there = double.repo(repo)
        if right in {"none", "guest"}:
            there.collaborators.discard(login)
        else:
            there.collaborators.add(login)
            there.roles[login] = right
    else:
        level = {"none": 0, "guest": 10, "read": 20, "triage": 20, "write": 30, "maintain": 40, "admin": 50}
        double.join(repo, login, level[right])


def nobody(double: Any) -> None:
    for repo in ("me/greeter", "me/web", "me/other"):
        lets(double, repo, "octocat", "none")


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


@asynccontextmanager
async def forge_again(forge: There, cookies: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with forge.browser() as browser:
        for name, value in cookies.items():
            browser.cookies.set(name, value)
        yield browser


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

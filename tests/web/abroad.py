"""A forge, an application of ours on it, and our page: a login goes out to the one and back to the other."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from app.core.settings import GitHubForge, GitLabForge, LocalForge, ProjectSettings, WebSettings
from app.store import events
from tests.doubles.github import GitHub
from tests.doubles.gitlab import GitLab
from tests.doubles.origin import made
from tests.web.conftest import make_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.core.models import Event
    from tests.web.conftest import Make, Site

HERE = "http://127.0.0.1:8300"
KINDS = ["github", "gitlab"]


@dataclass(frozen=True)
class Authority:
    """A certificate authority of one's own, a server under it, and whether our configuration names it."""

    ca_file: Path
    served: ssl.SSLContext
    named: bool


@dataclass
class There:
    """A forge, an application of ours on it, and our page."""

    kind: str
    double: Any
    site: Site
    client_id: str
    trusts: ssl.SSLContext | bool

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        async with self.site.client(html=True) as browser:
            yield browser

    async def to_the_forge(self, browser: httpx.AsyncClient, target: str = "/history") -> httpx.URL:
        """Press the button; return where the forge sends the browser."""
        out = await browser.get("/login/oauth/them", params={"next": target})
        assert out.status_code == 303, out.text
        async with httpx.AsyncClient(verify=self.trusts) as abroad:
            back = await abroad.get(out.headers["location"])
        assert back.status_code == 302, back.text
        return httpx.URL(back.headers["location"])

    async def log_in(self, browser: httpx.AsyncClient) -> httpx.Response:
        return await browser.get(await self.to_the_forge(browser))

    async def history(self) -> list[Event]:
        async with self.site.store.read() as tx:
            return (await events.page(tx))[0]


@asynccontextmanager
async def there(
    kind: str, make_site: Make, place: Path, *, authority: Authority | None = None, **oauth: Any
) -> AsyncIterator[There]:
    """A forge with two projects of ours, and one that is none."""
    origin = made(place / "owner")
    origin.commit({"a.txt": "1\n"})
    repos = dict.fromkeys(("me/greeter", "me/web", "me/other"), origin.bare)
    tls = authority.served if authority else None
    double: Any = (
        GitHub(place / "hub", repos=repos)
        if kind == "github"
        else GitLab(place / "lab", repos=repos, tls=tls)
    )
    with double:
        callback = f"{HERE}/login/oauth/them/callback"
        client_id, secret = double.oauth.register(callback, "repo", "read_api", "read_user")
        given = {"forge": "forge", "client_id": client_id, "client_secret": secret} | oauth
        if kind == "github":
            given.setdefault("scopes", "repo")
            forge: Any = GitHubForge(kind="github", api_url=double.url)
        else:
            trusted = authority.ca_file if authority and authority.named else None
            forge = GitLabForge(kind="gitlab", url=double.url, ca_file=trusted)
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
        trusts = ssl.create_default_context(cafile=authority.ca_file) if authority else True
        yield There(kind, double, make_site(settings), client_id, trusts)


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


@asynccontextmanager
async def forge_again(forge: There, cookies: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with forge.browser() as browser:
        for name, value in cookies.items():
            browser.cookies.set(name, value)
        yield browser

"""Who somebody is at GitHub or GitLab, and what they may do in our projects there: OAuth with PKCE.

The token that they give us is used for these questions alone, and forgotten.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.core.errors import PimaintenoError
from app.core.settings import GitHubForge
from app.web.auth import Caller, Role, role_in
from app.web.ways import Login, Way

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    import httpx

    from app.core.settings import GitLabForge, Settings, WebOAuth

PATIENCE_S = 20.0
AT_ONCE = 5
LONGEST_ANSWER = 1 << 20
MOST_NAME = 100
GITHUB_RIGHTS = (
    ("admin", Role.ADMINISTRATOR),
    ("maintain", Role.ADMINISTRATOR),
    ("push", Role.OPERATOR),
    ("triage", Role.VIEWER),
)
"""What may be done in a repository, the most first; to read one that all the world can is nothing."""
GITLAB_LEVELS = ((40, Role.ADMINISTRATOR), (30, Role.OPERATOR), (20, Role.VIEWER))
"""Maintainer, Developer and Reporter; a Guest cannot read the code of a private project."""


class NotLetInError(PimaintenoError):
    """Somebody came from a forge and may not come in."""


class ForgeTroubleError(PimaintenoError):
    """The forge did not say who somebody is."""


@dataclass(frozen=True)
class Began:
    """A login on its way: where to send the browser, and what is to come back with it."""

    url: str
    state: str
    verifier: str


@dataclass(frozen=True)
class Site:
    """Where a forge has people allow us things, and where it answers questions."""

    authorize: str
    token: str
    api: str
    ca_file: Path | None

    @classmethod
    def of(cls, forge: GitHubForge | GitLabForge) -> Site:
        """Return the places of a configured forge."""
        if not isinstance(forge, GitHubForge):
            url = forge.url
            return cls(f"{url}/oauth/authorize", f"{url}/oauth/token", f"{url}/api/v4", forge.ca_file)
        api = forge.api_url
        site = api.removesuffix("/api/v3")
        if api.startswith("https://api.github.com") or api.endswith(".ghe.com"):
            site = api.replace("https://api.", "https://", 1)
        return cls(f"{site}/login/oauth/authorize", f"{site}/login/oauth/access_token", api, forge.ca_file)


class OAuth:
    """One entry of `[web.oauth]`."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._name = name
        self._entry: WebOAuth = settings.web.oauth[name]
        forge = settings.forges[self._entry.forge]
        if forge.kind == "local":
            raise ValueError("nobody has an account at a local forge")
        self._forge: GitHubForge | GitLabForge = forge
        self._site = Site.of(forge)
        self._callback = f"{settings.public_url}/login/oauth/{name}/callback"
        self._repos = tuple(
            project.repo for project in settings.projects.values() if project.forge == self._entry.forge
        )

    def begin(self) -> Began:
        """Return where to send the browser."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        url, _ = self._client().create_authorization_url(
            self._site.authorize, state=state, code_verifier=verifier
        )
        return Began(url, state, verifier)

    async def finish(self, code: str, verifier: str) -> Login:
        """Return who came back with a code; raises NotLetInError or ForgeTroubleError."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._client() as client:
                return await self._finish(client, code, verifier)
        except TimeoutError:
            raise ForgeTroubleError(f"{self._name} does not answer: try again later") from None

    async def _finish(self, client: Any, code: str, verifier: str) -> Login:  # noqa: ANN401 - authlib has no types
        import httpx
        from authlib.common.errors import AuthlibBaseError

        try:
            await client.fetch_token(self._site.token, code=code, code_verifier=verifier)
            who = await self._json(client, "/user")
            login = who.get("login" if self._is_github else "username")
            if not isinstance(login, str) or not 0 < len(login) <= MOST_NAME or not login.isprintable():
                raise ForgeTroubleError(f"{self._name} does not say who this is")
            role = await self._role(client, login, who.get("id"))
        except AuthlibBaseError as error:
            said = str(error.error or "")[:60]
            raise NotLetInError(f"{self._name} did not confirm this login ({said}): begin again") from error
        except httpx.HTTPError as error:
            raise ForgeTroubleError(f"{self._name} cannot be reached: try again later") from error
        except ValueError as error:  # no JSON
            raise ForgeTroubleError(
                f"{self._name} answers with something else: is it under maintenance?"
            ) from error
        if role is None:
            raise NotLetInError(f"{login} has no role here: {self._how()}")
        return Login(Caller(f"{login}@{self._name}", role), Way.FORGE)

    @property
    def _is_github(self) -> bool:
        return isinstance(self._forge, GitHubForge)

    def _how(self) -> str:
        if self._entry.roles:
            return "an administrator can give one"
        return "it comes with rights in a project of this PiMainteno"

    async def _role(self, client: Any, login: str, number: object) -> Role | None:  # noqa: ANN401
        if self._entry.roles:
            role = role_in(self._entry.roles, login)
            return Role[role.upper()] if role else None
        ask: Callable[[str], Awaitable[Role | None]]
        if self._is_github:

            async def ask(repo: str) -> Role | None:
                return _on_github(await self._json(client, f"/repos/{repo}", missing=True))
        else:

            async def ask(repo: str) -> Role | None:
                path = f"/projects/{quote(repo, safe='')}/members/all/{int(str(number))}"
                return _on_gitlab(await self._json(client, path, missing=True))

        roles = [role for role in await _some_at_once(ask, self._repos) if role is not None]
        return max(roles, default=None)

    async def _json(self, client: Any, path: str, *, missing: bool = False) -> dict[str, Any]:  # noqa: ANN401
        """Return an answer's object; an empty one for what this person may not see, where that is allowed."""
        answer: httpx.Response = await client.get(f"{self._site.api}{path}")
        renamed = answer.headers.get("location", "") if answer.is_redirect else ""
        if renamed.startswith(f"{self._site.api}/"):
            answer = await client.get(renamed)
        if missing and answer.status_code in {301, 302, 307, 308, 403, 404, 451}:
            return {}
        if answer.status_code in {401, 403}:
            raise NotLetInError(f"{self._name} does not let us ask who this is: begin again")
        if answer.status_code != 200 or len(answer.content) > LONGEST_ANSWER:
            raise ForgeTroubleError(f"{self._name} has trouble (HTTP {answer.status_code}): try again later")
        found = json.loads(answer.content)
        if not isinstance(found, dict):
            raise ForgeTroubleError(f"{self._name} answers with something else")
        return found

    def _client(self) -> Any:  # noqa: ANN401
        secure = self._site.api.startswith("https://")
        return _client_type()(
            client_id=self._entry.client_id,
            client_secret=self._entry.client_secret.get_secret_value(),
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - the name of a method
            code_challenge_method="S256",
            redirect_uri=self._callback,
            scope=self._scopes() or None,
            verify=ssl.create_default_context(cafile=self._site.ca_file) if secure else False,
            timeout=PATIENCE_S,
            follow_redirects=False,  # only the configured host is ever asked
            trust_env=False,
        )

    def _scopes(self) -> str:
        if self._entry.scopes or self._is_github:
            return self._entry.scopes
        return "read_user" if self._entry.roles else "read_api"


def _client_type() -> Any:  # noqa: ANN401
    """Return authlib's client. It warns that it would rather have httpx2, which our other libraries lack."""
    from authlib import deprecate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", deprecate.AuthlibDeprecationWarning)
        from authlib.integrations.httpx_client import AsyncOAuth2Client
    return AsyncOAuth2Client


async def _some_at_once(
    ask: Callable[[str], Awaitable[Role | None]], repos: Sequence[str]
) -> list[Role | None]:
    free = asyncio.Semaphore(AT_ONCE)

    async def one(repo: str) -> Role | None:
        async with free:
            return await ask(repo)

    return await asyncio.gather(*map(one, repos))


def _on_github(repo: dict[str, Any]) -> Role | None:
    rights = repo.get("permissions")
    if not isinstance(rights, dict):
        return None
    found = next((role for right, role in GITHUB_RIGHTS if rights.get(right) is True), None)
    if found is None and repo.get("visibility") == "private" and rights.get("pull") is True:
        return Role.VIEWER
    return found


def _on_gitlab(member: dict[str, Any]) -> Role | None:
    level = member.get("access_level")
    if not isinstance(level, int) or member.get("state", "active") != "active":
        return None
    return next((role for least, role in GITLAB_LEVELS if level >= least), None)

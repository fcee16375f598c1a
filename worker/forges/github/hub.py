"""Calls to GitHub's REST interface: the token, the pace, timeouts, and answers as our errors.

Answers are read as plain JSON and not through githubkit's models: those are strict about fields that
Enterprise Servers leave out, and importing them costs this process tens of megabytes.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from app.core import lean
from app.core.errors import ConfigurationError, ForgeError, ForgeWaitError
from worker.forges import pacer
from worker.forges.github import answers
from worker.forges.github.answers import RIGHTS, Answer, Place
from worker.forges.github.kept import Kept

with lean.without("click", "pygments", "rich"):  # for the command that httpx brings along
    import httpx
    from githubkit import GitHub, Response
    from githubkit.auth import AppAuthStrategy, UnauthAuthStrategy
    from githubkit.cache import MemCacheStrategy
    from githubkit.exception import RequestError, RequestFailed, RequestTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from app.core.settings import GitHubForge as GitHubSettings
    from worker.forges.pacer import Pacer

CONNECT_S, TOTAL_S = 10.0, 30.0
FRESH_S = 600.0
"""An App's token is good for an hour; one that ends sooner than this might not last through a push."""
PAGE, PAGES = 100, 100
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
NEEDS = {"contents": "Contents", "pull_requests": "Pull requests"}


class _Client(GitHub[UnauthAuthStrategy]):
    def _check_rate_limit(self, response: Response[Any]) -> None:
        """Do nothing: we read limits ourselves, and the library raises ValueError at a Retry-After date."""


class Hub:
    """One repository on one GitHub, as one identity. No call follows a redirect, none is repeated."""

    def __init__(self, place: Place, settings: GitHubSettings, pace: Pacer | None = None) -> None:
        self.place, self._settings = place, settings
        self.repo = f"/repos/{quote(place.repo)}"
        self._token = settings.token.get_secret_value()
        self._login = ""
        self._kept = Kept()
        self._good_until = datetime.max.replace(tzinfo=UTC)
        if place.app_id:
            self._good_until = datetime.min.replace(tzinfo=UTC)
        elif not self._token:
            raise ConfigurationError(
                f"{place}: [forges.{place.forge}] has neither a token nor app_id and private_key"
            )
        self._pacer = pace or pacer.of(settings.api_url, place.app_id or self._token)
        self._client = _Client(
            UnauthAuthStrategy(),
            base_url=settings.api_url,
            user_agent="pimainteno",
            follow_redirects=False,
            timeout=httpx.Timeout(TOTAL_S, connect=CONNECT_S),
            ssl_verify=_trust(settings.ca_file, settings.api_url),
            cache_strategy=MemCacheStrategy(),
            http_cache=False,
            auto_retry=False,
        )

    async def read(self, path: str, *, rights: str = RIGHTS, **params: str | int) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a GET; raises ForgeError."""
        return self.good(await self.ask("GET", path, params=params), rights)

    async def pages(
        self, path: str, key: str = "", *, rights: str = RIGHTS, **params: str | int
    ) -> AsyncIterator[Any]:
        """Give each item of a list of any length, which is the answer itself or stands in it as `key`."""
        for page in range(1, PAGES + 1):
            answer = await self.ask("GET", path, params={**params, "per_page": PAGE, "page": page})
            data = self.good(answer, rights)
            items = data.get(key) if isinstance(data, dict) else data
            for item in items if isinstance(items, list) else []:
                yield item
            if 'rel="next"' not in answer.headers.get("link", ""):
                return

    async def write(self, method: str, path: str, body: dict[str, Any], *, rights: str = RIGHTS) -> Any:  # noqa: ANN401
        """Return the JSON that a write answers with, sent once and at GitHub's pace; raises ForgeError."""
        data = self.good(await self.ask(method, path, body=body, paced=True), rights)
        self._pacer.went_well()
        return data

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int] | None = None,
        body: dict[str, Any] | None = None,
        paced: bool = False,
    ) -> Answer:
        """Return whatever GitHub answers; raises ForgeError where nothing whole came, or it wants to wait."""
        self._may_ask()
        token = await self.token()
        if method == "GET":
            return await self._conditional(path, f"Bearer {token}", params)
        async with self._pacer.turn() if paced else nullcontext():
            self._may_ask()  # somebody may have met a limit while this one stood in line
            return await self._send(method, path, f"Bearer {token}", params, body)

    def good(self, answer: Answer, rights: str = RIGHTS) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the JSON of an answer that is a success; raises ForgeError, for `rights` where they lack."""
        data = answer.data
        if 200 <= answer.status < 300 and isinstance(data, dict | list):
            return data
        error = answers.error(self.place, answer, rights)
        if isinstance(error, answers.UnknownTokenError) and self.place.app_id:
            self._good_until = datetime.min.replace(tzinfo=UTC)  # revoked: the next try asks for a new one
        raise error

    async def me(self) -> str:
        """Return the login that what we write has there; raises ForgeError."""
        await self.token()  # an App learns its name with it
        if not self._login:
            user = await self.read("/user")
            if not isinstance(user, dict) or not user.get("login"):
                raise ForgeError(f"{self.place}: GitHub does not say whose token it is")
            self._login = str(user["login"])
        return self._login

    async def token(self) -> str:
        """Return the token, an App's fresh enough for a long push; raises ForgeError."""
        if self._good_until - datetime.now(UTC) < timedelta(seconds=FRESH_S):
            await self._renew()
        return self._token

    def is_ours(self, url: str) -> bool:
        """Tell whether an address is the configured host's: no other may see the token."""
        there, here = urlsplit(url), urlsplit(self._settings.api_url)
        return (there.scheme, there.netloc) == (here.scheme, here.netloc)

    async def _renew(self) -> None:
        signed = f"Bearer {self._signature()}"
        answer = await self._send("GET", f"{self.repo}/installation", signed)
        if answer.status == 404 and isinstance(answer.data, dict):
            raise answers.not_installed(self.place)
        there = self.good(answer)
        self._login, installation = f"{there.get('app_slug', self.place.app_id)}[bot]", there.get("id")
        name = self.place.repo.rpartition("/")[2]
        path = f"/app/installations/{installation}/access_tokens"
        answer = await self._send("POST", path, signed, body={"repositories": [name]})
        if answer.status == 422 and isinstance(answer.data, dict):
            raise answers.not_installed(self.place)
        data = self.good(answer)
        rights = data.get("permissions")
        if isinstance(rights, dict) and (
            missing := [label for key, label in NEEDS.items() if rights.get(key) not in ("write", "admin")]
        ):
            raise answers.not_granted(self.place, " and ".join(missing))
        try:
            token, ends = data["token"], datetime.fromisoformat(data["expires_at"])
        except (KeyError, TypeError, ValueError):
            token, ends = None, self._good_until
        if not isinstance(token, str) or ends.tzinfo is None:
            raise ForgeError(f"{self.place}: GitHub gave the App no token that can be read")
        self._token, self._good_until = token, ends

    def _signature(self) -> str:
        key = self._settings.private_key.get_secret_value()
        try:
            return AppAuthStrategy(self.place.app_id, key).get_auth_flow(self._client).get_jwt()  # type: ignore[attr-defined,no-any-return]
        except Exception as error:  # the key's library names no base for what it may raise
            raise ConfigurationError(
                f"{self.place}: private_key of [forges.{self.place.forge}] is no RSA private key in PEM "
                f"({type(error).__name__}): download a new one from the App's settings on GitHub"
            ) from error

    def _may_ask(self) -> None:
        if wait := self._pacer.wait_s:
            raise ForgeWaitError(f"{self.place}: GitHub asked us to wait", after_s=wait)

    async def _conditional(
        self, path: str, authorization: str, params: dict[str, str | int] | None
    ) -> Answer:
        await self._pacer.breathe()
        key = path, *sorted((params or {}).items())
        kept = self._kept.get(key)
        asked = {"If-None-Match": kept.headers["etag"]} if kept else {}
        answer = await self._send("GET", path, authorization, params, more=asked)
        if kept and answer.status == 304:
            return kept
        self._kept.keep(key, answer)
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        authorization: str,
        params: dict[str, str | int] | None = None,
        body: dict[str, Any] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        asked = f"{method} {urlsplit(path).path}"
        sends = {**HEADERS, "Authorization": authorization, **(more or {})}
        try:
            async with asyncio.timeout(TOTAL_S):
                sent = await self._client.arequest(method, path, params=params, json=body, headers=sends)
            raw = sent.raw_response
        except RequestFailed as failed:
            raw = failed.response.raw_response
        except (RequestTimeout, TimeoutError) as error:
            raise ForgeError(
                f"{self.place}: GitHub did not answer {asked} within {TOTAL_S:g} s: it is tried again"
            ) from error
        except RequestError as error:
            raise ForgeError(
                f"{self.place}: GitHub could not be reached for {asked} ({_cause(error)}): check the network "
                f"and api_url of [forges.{self.place.forge}]"
            ) from error
        headers = {name.lower(): value for name, value in raw.headers.items()}
        answer = Answer(asked, raw.status_code, headers, raw.content)
        if quota := answers.quota(answer, time.time()):
            self._pacer.noted(*quota)
        if (seconds := answers.wait_s(answer, time.time())) is not None:
            after_s = self._pacer.asked_to_wait(seconds)
            raise ForgeWaitError(
                f"{self.place}: GitHub answered {answer.status} to {asked} ({answer.words}): "
                f"a limit, so it is left alone for {after_s:.0f} s",
                after_s=after_s,
            )
        return answer


def _cause(error: BaseException) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"[:300]


@lru_cache(maxsize=16)
def _trust(ca_file: Path | None, api_url: str) -> ssl.SSLContext | bool:
    """Return whom to trust: the forge's own authority, or this host's, as git does."""
    if api_url.startswith("http://"):
        return False  # loopback: nothing is encrypted
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"ca_file {ca_file} cannot be used: {error}") from error

"""Calls to GitLab's REST interface: the token, the pace, timeouts, and answers as our errors.

python-gitlab is synchronous, so each call is made in a thread. Answers are read as plain JSON and not
through its objects: those follow the addresses of next pages wherever they lead, and repeat what failed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests
from gitlab import Gitlab

from app.core.errors import ConfigurationError, ForgeError, ForgeWaitError
from worker.forges import pacer
from worker.forges.gitlab import answers
from worker.forges.gitlab.answers import RIGHTS, Answer, Place
from worker.forges.gitlab.wire import TOTAL_S, UnsuccessfulError, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.settings import GitLabForge as GitLabSettings
    from worker.forges.pacer import Pacer

PAGE, PAGES = 100, 100
Params = dict[str, str | int]
Body = dict[str, Any]


class Lab:
    """One project on one GitLab, as one identity. No call follows a redirect, none is repeated."""

    def __init__(self, place: Place, settings: GitLabSettings, pace: Pacer | None = None) -> None:
        self.place, self._settings = place, settings
        self.project = f"/projects/{quote(place.repo, safe='')}"
        self.token = settings.token.get_secret_value()
        if not self.token:
            raise ConfigurationError(f"{place}: [forges.{place.forge}] has no token")
        if not (self.token.isascii() and self.token.isprintable()) or " " in self.token:
            raise ConfigurationError(f"{place}: the token of [forges.{place.forge}] is none of GitLab's")
        self._pacer = pace or pacer.of(settings.url, self.token)
        wire = Wire(settings.ca_file, settings.url)
        self._client = Gitlab(
            settings.url,
            private_token=self.token,
            user_agent="pimainteno",
            timeout=TOTAL_S,
            retry_transient_errors=False,
            backend=lambda: wire,
        )
        self._me: int | None = None

    async def read(self, path: str, *, rights: str = RIGHTS, **params: str | int) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a GET; raises ForgeError."""
        return self.good(await self.ask("GET", path, params=params), rights)

    async def pages(self, path: str, *, rights: str = RIGHTS, **params: str | int) -> AsyncIterator[Any]:
        """Give each item of a list of any length, of what is not there none; raises ForgeError."""
        for page in range(1, PAGES + 1):
            answer = await self.ask("GET", path, params={**params, "per_page": PAGE, "page": page})
            items = [] if answer.lacks_a_part else self.good(answer, rights)
            for item in items if isinstance(items, list) else []:
                yield item
            if not isinstance(items, list) or len(items) < PAGE:
                return

    async def write(self, method: str, path: str, body: Body, *, rights: str = RIGHTS) -> Any:  # noqa: ANN401
        """Return the JSON that a write answers with, sent once and at the pace; raises ForgeError."""
        data = self.good(await self.ask(method, path, body=body), rights)
        self._pacer.went_well()
        return data

    async def ask(
        self, method: str, path: str, *, params: Params | None = None, body: Body | None = None
    ) -> Answer:
        """Return whatever GitLab answers; raises ForgeError where nothing whole came, or it wants to wait."""
        self._may_ask()
        if method == "GET":
            await self._pacer.breathe()
            return await self._send(method, path, params, body)
        async with self._pacer.turn():
            self._may_ask()  # somebody may have met a limit while this one stood in line
            return await self._send(method, path, params, body)

    def good(self, answer: Answer, rights: str = RIGHTS) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the JSON of an answer that is a success; raises ForgeError, for `rights` where they lack."""
        if answer.status == 204:
            return None
        data = answer.data
        if 200 <= answer.status < 300 and isinstance(data, dict | list):
            return data
        raise answers.error(self.place, answer, rights)

    async def me(self) -> int:
        """Return the id of the user whom our token stands for, a person or a project's bot.

        Raises ForgeAccessError where the token may not use the interface. Instances before 15.5 do not
        tell a token its scopes: there the user is asked for.
        """
        if self._me is None:
            told = await self.ask("GET", "/personal_access_tokens/self")
            if told.status in (400, 404) and isinstance(told.data, dict):
                self._me = self._id((await self.read("/user")).get("id"))
                return self._me
            token = self.good(told)
            scopes = token.get("scopes")
            if isinstance(scopes, list) and "api" not in scopes:
                raise answers.out_of_scope(self.place, ", ".join(map(str, scopes)))
            self._me = self._id(token.get("user_id"))
        return self._me

    async def user(self, name: str) -> int | None:
        """Return the id of a user; None where GitLab knows none of that name."""
        for user in await self.read("/users", username=name) or []:
            if isinstance(user, dict) and str(user.get("username")).casefold() == name.casefold():
                return self._id(user.get("id"))
        return None

    def path_to(self, address: str) -> str | None:
        """Return the path of an address within this interface; None where it leads to anywhere else.

        No other host may see the token.
        """
        there, here = urlsplit(address), urlsplit(self._client.api_url)
        same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
        if not same or not there.path.startswith(f"{here.path}/"):
            return None
        return there.path.removeprefix(here.path)

    def _id(self, value: object) -> int:
        if not isinstance(value, int):
            raise ForgeError(f"{self.place}: GitLab did not say who that is")
        return value

    def _may_ask(self) -> None:
        if wait := self._pacer.wait_s:
            raise ForgeWaitError(f"{self.place}: GitLab asked us to wait", after_s=wait)

    async def _send(self, method: str, path: str, params: Params | None, body: Body | None) -> Answer:
        asked = f"{method} {path}"
        try:
            async with asyncio.timeout(TOTAL_S):
                answer = await asyncio.to_thread(self._sent, asked, method, path, params, body)
        except (requests.Timeout, TimeoutError) as error:
            raise ForgeError(
                f"{self.place}: GitLab did not answer {asked} within {TOTAL_S:g} s: it is tried again"
            ) from error
        except requests.RequestException as error:
            raise ForgeError(
                f"{self.place}: GitLab could not be reached for {asked} ({_cause(error)}): check the network "
                f"and url of [forges.{self.place.forge}]"
            ) from error
        if quota := answers.quota(answer, time.time()):
            self._pacer.noted(*quota)
        if (seconds := answers.wait_s(answer, time.time())) is not None:
            after_s = self._pacer.asked_to_wait(seconds)
            raise ForgeWaitError(
                f"{self.place}: GitLab answered {answer.status} to {asked} ({answer.words}): "
                f"a limit, so it is left alone for {after_s:.0f} s",
                after_s=after_s,
            )
        return answer

    def _sent(self, asked: str, method: str, path: str, params: Params | None, body: Body | None) -> Answer:
        try:
            sent = self._client.http_request(
                method.lower(), path, query_data=params, post_data=body, obey_rate_limit=False, max_retries=0
            )
        except UnsuccessfulError as answered:
            sent = answered.response
        headers = {name.lower(): value for name, value in sent.headers.items()}
        return Answer(asked, sent.status_code, headers, sent.content)


def _cause(error: BaseException) -> str:
    """Return what lies under the library's errors, which wrap one another and repeat the whole address."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return f"{type(error).__name__}: {error}"[:300]

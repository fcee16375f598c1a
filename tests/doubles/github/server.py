"""A GitHub on loopback: API, git and webhooks over real bare repositories."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.doubles.github.access import Access
from tests.doubles.github.bare import Bare
from tests.doubles.github.events import EVENTS
from tests.doubles.github.people import People
from tests.doubles.github.state import Repo, Token

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from tests.doubles.github.faults import Fault
    from tests.doubles.github.webhooks import Delivery, Hook

TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
HOUR = timedelta(hours=1)


class GitHub(People):
    """A GitHub; use it as a context manager. At its end it raises for whatever GitHub would not take."""

    def __init__(
        self,
        folder: Path,
        *,
        repos: dict[str, Path],
        token: str = TOKEN,
        login: str = "me",
        private: bool = True,
        app: tuple[str, str] | None = None,
        token_lasts: timedelta = HOUR,
    ) -> None:
        super().__init__(folder, Access({token: Token(login)}, *(app or ("", ""))), token_lasts)
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, name="github"
        )
        for name, path in repos.items():
            self.add(name, path, private=private)

    def clone_url(self, repo: str) -> str:
        return f"{self.url}/{repo}.git"

    def add(self, name: str, path: Path, *, private: bool = True) -> Repo:
        """Put a bare repository on this GitHub."""
        link = self.folder / f"{name}.git"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.absolute())
        bare = Bare(link)
        bare.protect([])
        repo = self.repos[name.casefold()] = Repo(name, bare, self.url, self.webhooks.tell, private=private)
        return repo

    def protect(self, name: str, *patterns: str) -> None:
        """Refuse pushes to branches of these patterns."""
        self.repo(name).bare.protect(list(patterns))

    def allow(
        self,
        token: str,
        login: str = "me",
        *,
        write: bool = True,
        hooks: bool = True,
        checks: bool = True,
        actions: bool = True,
        only: str = "",
    ) -> Token:
        """Make another token known, which lacks a right, or knows one repository only."""
        reach = frozenset([only]) if only else None
        made = self.access.tokens[token] = Token(login, write, hooks, checks, reach, actions=actions)
        return made

    def fault(self, method: str, path_regex: str, fault: Fault, times: int = 1) -> None:
        """Let the next requests to a path (with its query, for git) go wrong; after those planned before."""
        self.faults.plan(method, path_regex, fault, times)

    def webhook(
        self, url: str, secret: str, content_type: str = "json", events: Iterable[str] = EVENTS
    ) -> Hook:
        """Send what happens in all repositories to an address."""
        return self.webhooks.add(url, secret, content_type, None, events)

    def redeliver(self, delivery: Delivery) -> None:
        self.webhooks.send(delivery)

    def __enter__(self) -> GitHub:
        self._thread.start()
        self.webhooks.start()
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        self.stopped.set()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        self.webhooks.stop()
        if not self.violations:
            return
        told = "GitHub would not take this, or would not answer so:\n" + "\n".join(self.violations)
        if error is None:
            raise AssertionError(told)
        error.add_note(told)

    async def __aenter__(self) -> GitHub:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

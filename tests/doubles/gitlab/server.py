"""A GitLab on loopback: API, git and webhooks over real bare repositories."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from tests.doubles.gitlab.access import Access
from tests.doubles.gitlab.bare import Bare
from tests.doubles.gitlab.people import People
from tests.doubles.gitlab.state import DEVELOPER, MAINTAINER, Hook, Project, Token

if TYPE_CHECKING:
    import ssl
    from pathlib import Path
    from types import TracebackType

    from tests.doubles.github.faults import Fault
    from tests.doubles.gitlab.webhooks import Delivery

TOKEN = "glpat-0123456789abcdefghij"
SCOPES = ("api", "write_repository")


class GitLab(People):
    """A GitLab; use it as a context manager. At its end it raises for whatever GitLab would not take."""

    def __init__(
        self,
        folder: Path,
        *,
        repos: dict[str, Path],
        token: str = TOKEN,
        login: str = "me",
        visibility: str = "private",
        at: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(folder, Access(), at, tls)
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, name="gitlab"
        )
        self.user("root", admin=True)
        for name, path in repos.items():
            self.add(name, path, visibility=visibility)
        self.allow(token, login, level=MAINTAINER)

    def clone_url(self, repo: str) -> str:
        return f"{self.url}/{repo}.git"

    def add(self, name: str, path: Path, *, visibility: str = "private") -> Project:
        """Put a bare repository on this GitLab."""
        link = self.folder / f"{name}.git"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.absolute())
        bare = Bare(link)
        bare.protect([])
        project = Project(name, bare, self.url, self.webhooks.tell, self.users, visibility)
        self.projects[name.casefold()] = project
        self.join(name, "octocat")
        return project

    def protect(self, name: str, *patterns: str) -> None:
        """Refuse pushes to branches of these patterns."""
        self.repo(name).bare.protect(list(patterns))

    def allow(
        self,
        token: str,
        login: str = "me",
        *,
        level: int = DEVELOPER,
        scopes: tuple[str, ...] = SCOPES,
        only: str = "",
        bot: bool = False,
    ) -> Token:
        """Make another token known, of a member of all projects or one, or of nobody (level 0)."""
        made = self.access.tokens[token] = Token(self.user(login, bot=bot), scopes)
        for project in self.projects.values():
            if level and only in ("", project.path):
                project.members[login] = level
        return made

    def fault(self, method: str, path_regex: str, fault: Fault, times: int = 1) -> None:
        """Let the next requests to a path (with its query, for git) go wrong; after those planned before."""
        self.faults.plan(method, path_regex, fault, times)

    def webhook(self, repo: str, url: str, secret: str = "", signing_token: str = "") -> Hook:
        """Send what happens in a project to an address."""
        wanted = ("merge_requests_events", "note_events", "pipeline_events", "push_events")
        made = Hook(url, secret, signing_token, dict.fromkeys(wanted, True))
        self.repo(repo).hooks.append(made)
        return made

    def redeliver(self, delivery: Delivery) -> None:
        self.webhooks.send(delivery)

    def __enter__(self) -> GitLab:
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
        told = "GitLab would not take this, or would not answer so:\n" + "\n".join(self.violations)
        if error is None:
            raise AssertionError(told)
        error.add_note(told)

    async def __aenter__(self) -> GitLab:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

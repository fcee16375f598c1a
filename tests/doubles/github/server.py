"""A GitHub on loopback: API, git and webhooks over real bare repositories."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.doubles.github.access import Access
from tests.doubles.github.bare import Bare
from tests.doubles.github.front import Front
from tests.doubles.github.state import Pull, Repo, Token
from tests.doubles.github.webhooks import Delivery, Hook, Webhooks

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tests.doubles.github.faults import Fault

TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
HOUR = timedelta(hours=1)


class GitHub(Front):
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
        self.webhooks = Webhooks()
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

    def repo(self, name: str) -> Repo:
        """Return a repository, whose switches a test may set."""
        return self.repos[name.casefold()]

    def rename(self, name: str, to: str) -> None:
        """Give a repository another name; the old one leads there."""
        repo = self.moved[name.casefold()] = self.repos.pop(name.casefold())
        repo.name = to
        self.repos[to.casefold()] = repo

    def protect(self, name: str, *patterns: str) -> None:
        """Refuse pushes to branches of these patterns."""
        self.repo(name).bare.protect(list(patterns))

    def allow(self, token: str, login: str = "me", *, write: bool = True, only: str = "") -> Token:
        """Make another token known, which may not write, or knows one repository only."""
        made = self.access.tokens[token] = Token(login, write, frozenset([only]) if only else None)
        return made

    def fault(self, method: str, path_regex: str, fault: Fault, times: int = 1) -> None:
        """Let the next requests to a path (with its query, for git) go wrong; after those planned before."""
        self.faults.plan(method, path_regex, fault, times)

    def webhook(self, url: str, secret: str, content_type: str = "json") -> Hook:
        """Send what happens to pull requests to an address."""
        self.webhooks.hooks.append(Hook(url, secret, content_type, len(self.webhooks.hooks) + 1))
        return self.webhooks.hooks[-1]

    def redeliver(self, delivery: Delivery) -> None:
        self.webhooks.send(delivery)

    def pulls(self, repo: str) -> list[Pull]:
        """Return all pull requests, oldest first."""
        with self.lock:
            self.repo(repo).refresh("me")
            return list(self.repo(repo).pulls)

    def merge(self, repo: str, number: int, by: str = "octocat") -> str:
        """Merge a pull request with a real merge commit, and return that."""
        with self.lock:
            there, pull = self.repo(repo), self._pull(repo, number)
            message = f"Merge pull request #{number} from {there.owner}/{pull.head_ref}"
            pull.merge_sha = there.bare.merge(pull.base_ref, pull.head_sha, message)
            there.end(pull, by, merged=True)
            return pull.merge_sha

    def close(self, repo: str, number: int, by: str = "octocat") -> None:
        with self.lock:
            self.repo(repo).end(self._pull(repo, number), by)

    def reopen(self, repo: str, number: int, by: str = "octocat") -> None:
        with self.lock:
            self.repo(repo).reopen(self._pull(repo, number), by)

    def edit(self, repo: str, number: int, *, title: str, by: str = "octocat") -> None:
        with self.lock:
            pull = self._pull(repo, number)
            pull.title = title
            self.webhooks.tell(self.repo(repo), "edited", pull, by)

    def delete_branch(self, repo: str, branch: str, by: str = "octocat") -> None:
        """Delete a branch, which closes its pull request."""
        with self.lock:
            self.repo(repo).bare.delete(branch)
            self.repo(repo).refresh(by)

    def _pull(self, repo: str, number: int) -> Pull:
        self.repo(repo).refresh("me")
        pull = self.repo(repo).pull(number)
        assert pull is not None, f"{repo} has no pull request {number}"
        return pull

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

"""What GitHub remembers: repositories, pull requests, labels, comments, tokens."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doubles.github.bare import Bare

_ids = itertools.count(1000)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class Comment:
    number: int
    body: str
    user: str
    id: int = field(default_factory=lambda: next(_ids))
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass
class Label:
    name: str
    color: str = "ededed"
    description: str = ""
    id: int = field(default_factory=lambda: next(_ids))


@dataclass
class Pull:
    """One pull request as it stands; `state` is open, closed or merged."""

    number: int
    title: str
    body: str
    head_ref: str
    base_ref: str
    head_sha: str
    base_sha: str
    draft: bool
    user: str
    html_url: str
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    closed_at: datetime | None = None
    closed_by: str | None = None
    merge_sha: str | None = None
    id: int = field(default_factory=lambda: next(_ids))

    @property
    def merged(self) -> bool:
        return self.state == "merged"


@dataclass
class Token:
    """Who a token is and what it may; `repos` None means every repository."""

    login: str
    write: bool = True
    repos: frozenset[str] | None = None
    until: datetime | None = None
    of_app: bool = False

    @property
    def good(self) -> bool:
        return self.until is None or self.until > datetime.now(UTC)

    def sees(self, repo: Repo) -> bool:
        return self.repos is None or repo.id_name in self.repos


@dataclass
class Repo:
    """One repository over a real bare one; tests may set the switches."""

    name: str
    bare: Bare
    url: str
    tell: Callable[[Repo, str, Pull, str], None]
    private: bool = True
    archived: bool = False
    drafts: bool = True
    sso: str = ""
    installed: bool = True
    collaborators: set[str] = field(default_factory=lambda: {"octocat"})
    teams: set[str] = field(default_factory=set)
    protected: list[str] = field(default_factory=list)
    pulls: list[Pull] = field(default_factory=list)
    labels: dict[str, Label] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    id: int = field(default_factory=lambda: next(_ids))
    id_name: str = ""

    def __post_init__(self) -> None:
        self.id_name = self.name  # stays when it is renamed
        self.collaborators.add(self.owner)

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    @property
    def html_url(self) -> str:
        return f"{self.url}/{self.name}"

    def pull(self, number: int) -> Pull | None:
        return next((pull for pull in self.pulls if pull.number == number), None)

    def label(self, name: str) -> Label | None:
        return self.labels.get(name.casefold())

    def refresh(self, user: str) -> None:
        """Bring open pull requests up to date with what was pushed; tell of what changed."""
        branches = self.bare.branches()
        for pull in [each for each in self.pulls if each.state == "open"]:
            head, base = branches.get(pull.head_ref), branches.get(pull.base_ref)
            if head is None:
                self.end(pull, user)
                continue
            moved = (head, base) != (pull.head_sha, pull.base_sha)
            if head != pull.head_sha:
                pull.head_sha, pull.updated_at = head, now()
                self.bare.point(f"refs/pull/{pull.number}/head", head)
                self.tell(self, "synchronize", pull, user)
            if moved and base is not None:
                pull.base_sha = base
                if not self.bare.ahead(base, head):
                    pull.merge_sha = base
                    self.end(pull, user, merged=True)

    def open(self, title: str, body: str, head: str, base: str, *, draft: bool, user: str) -> Pull:
        branches = self.bare.branches()
        number = len(self.pulls) + 1
        url = f"{self.html_url}/pull/{number}"
        sha = branches[head]
        pull = Pull(number, title, body, head, base, sha, branches[base], draft, user, url)
        self.pulls.append(pull)
        self.bare.point(f"refs/pull/{number}/head", sha)
        self.tell(self, "opened", pull, user)
        return pull

    def end(self, pull: Pull, user: str, *, merged: bool = False) -> None:
        pull.state, pull.closed_by = ("merged" if merged else "closed"), user
        pull.closed_at = pull.updated_at = now()
        self.tell(self, "closed", pull, user)

    def reopen(self, pull: Pull, user: str) -> None:
        pull.state, pull.closed_at, pull.closed_by, pull.updated_at = "open", None, None, now()
        self.tell(self, "reopened", pull, user)


def token_for_app(repos: frozenset[str], lasts: timedelta) -> Token:
    return Token("pimainteno[bot]", repos=repos, until=now() + lasts, of_app=True)

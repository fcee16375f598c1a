"""What GitHub remembers: repositories, pull requests, what is said of them, labels, tokens."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tests.doubles.github.bare import Bare

NOBODY = "0" * 40
_ids = itertools.count(1000)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Tell(Protocol):
    """Tells the hooks of a repository of an event."""

    def __call__(self, repo: Repo, event: str, action: str, subject: Any, user: str, **more: Any) -> None: ...


@dataclass
class Reaction:
    user: str
    content: str
    id: int = field(default_factory=lambda: next(_ids))
    created_at: datetime = field(default_factory=now)


@dataclass
class Comment:
    number: int
    body: str
    user: str
    app_id: int = 0
    reactions: list[Reaction] = field(default_factory=list)
    id: int = field(default_factory=lambda: next(_ids))
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass
class Review:
    """One review; `state` is as the API says it, DISMISSED where one was taken back."""

    number: int
    user: str
    state: str
    sha: str
    body: str = ""
    id: int = field(default_factory=lambda: next(_ids))
    submitted_at: datetime = field(default_factory=now)


@dataclass
class Check:
    """One check run of a commit; `conclusion` is None until it is completed."""

    name: str
    sha: str
    status: str
    conclusion: str | None
    id: int = field(default_factory=lambda: next(_ids))
    started_at: datetime = field(default_factory=now)
    completed_at: datetime | None = None


@dataclass
class Status:
    """The last status of a context of a commit."""

    context: str
    sha: str
    state: str
    description: str = ""
    id: int = field(default_factory=lambda: next(_ids))
    created_at: datetime = field(default_factory=now)


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
    hooks: bool = True
    checks: bool = True
    repos: frozenset[str] | None = None
    until: datetime | None = None
    of_app: bool = False
    scopes: tuple[str, ...] | None = None
    """Of a token by which an application acts for somebody; None is any other token."""
    actions: bool = True

    @property
    def good(self) -> bool:
        return self.until is None or self.until > datetime.now(UTC)

    def sees(self, repo: Repo) -> bool:
        if self.scopes is not None and repo.private and not self.reaches(repo):
            return False
        return self.repos is None or repo.id_name in self.repos

    def reaches(self, repo: Repo) -> bool:
        """Tell whether an application that acts for somebody sees what they see in private."""
        return "repo" in (self.scopes or ()) and repo.role(self.login) != "none"


@dataclass
class Repo:
    """One repository over a real bare one; tests may set the switches."""

    name: str
    bare: Bare
    url: str
    tell: Tell
    private: bool = True
    archived: bool = False
    drafts: bool = True
    sso: str = ""
    installed: bool = True
    thinks: bool = False
    """Whether it has yet to find out what can be merged."""
    collaborators: set[str] = field(default_factory=lambda: {"octocat"})
    roles: dict[str, str] = field(default_factory=dict)
    """Of collaborators that may more or less than write."""
    teams: set[str] = field(default_factory=set)
    protected: list[str] = field(default_factory=list)
    pulls: list[Pull] = field(default_factory=list)
    labels: dict[str, Label] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    tips: dict[str, str] = field(default_factory=dict)
    id: int = field(default_factory=lambda: next(_ids))
    id_name: str = ""

    def __post_init__(self) -> None:
        self.id_name = self.name  # stays when it is renamed
        self.collaborators.add(self.owner)
        self.tips = self.bare.branches()

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

    def role(self, login: str) -> str:
        """Return what somebody may: admin, maintain, write, triage, read or none."""
        if login == self.owner:
            return "admin"
        if login in self.collaborators:
            return self.roles.get(login, "write")
        return "none" if self.private else "read"

    def association(self, login: str) -> str:
        return "OWNER" if login == self.owner else "COLLABORATOR" if login in self.collaborators else "NONE"

    def refresh(self, user: str) -> None:
        """Bring open pull requests up to date with what was pushed; tell of what changed."""
        branches = self.bare.branches()
        self._tell_of_pushes(branches, user)
        for pull in [each for each in self.pulls if each.state == "open"]:
            head, base = branches.get(pull.head_ref), branches.get(pull.base_ref)
            if head is None or base is None:
                self.end(pull, user)
                continue
            moved = (head, base) != (pull.head_sha, pull.base_sha)
            if head != pull.head_sha:
                before, pull.head_sha, pull.updated_at = pull.head_sha, head, now()
                self.bare.point(f"refs/pull/{pull.number}/head", head)
                self.tell(self, "pull_request", "synchronize", pull, user, before=before, after=head)
            if moved:
                pull.base_sha = base
                if not self.bare.ahead(base, head):
                    pull.merge_sha = base
                    self.end(pull, user, merged=True)

    def _tell_of_pushes(self, branches: dict[str, str], user: str) -> None:
        before, self.tips = self.tips, branches
        for name in sorted(before.keys() | branches.keys()):
            old, new = before.get(name, NOBODY), branches.get(name, NOBODY)
            if old != new:
                self.tell(self, "push", "", name, user, before=old, after=new)
            if new == NOBODY:
                self.tell(self, "delete", "", name, user)

    def open(self, title: str, body: str, head: str, base: str, *, draft: bool, user: str) -> Pull:
        branches = self.bare.branches()
        number = len(self.pulls) + 1
        url = f"{self.html_url}/pull/{number}"
        sha = branches[head]
        pull = Pull(number, title, body, head, base, sha, branches[base], draft, user, url)
        self.pulls.append(pull)
        self.bare.point(f"refs/pull/{number}/head", sha)
        self.tell(self, "pull_request", "opened", pull, user)
        return pull

    def end(self, pull: Pull, user: str, *, merged: bool = False) -> None:
        pull.state, pull.closed_by = ("merged" if merged else "closed"), user
        pull.closed_at = pull.updated_at = now()
        self.tell(self, "pull_request", "closed", pull, user)

    def reopen(self, pull: Pull, user: str) -> None:
        pull.state, pull.closed_at, pull.closed_by, pull.updated_at = "open", None, None, now()
        self.tell(self, "pull_request", "reopened", pull, user)


def token_for_app(repos: frozenset[str], lasts: timedelta) -> Token:
    return Token("pimainteno[bot]", repos=repos, until=now() + lasts, of_app=True)

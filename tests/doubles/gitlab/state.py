"""What GitLab remembers: users, tokens, projects, merge requests, notes, statuses, hooks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doubles.gitlab.bare import Bare

_ids = itertools.count(1000)
GUEST, REPORTER, DEVELOPER, MAINTAINER, OWNER = 10, 20, 30, 40, 50
DRAFTS = ("draft:", "[draft]", "(draft)")


def next_id() -> int:
    return next(_ids)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class User:
    username: str
    admin: bool = False
    bot: bool = False
    id: int = field(default_factory=next_id)


@dataclass
class Token:
    """Whose a token is and what it may; a project's token has a bot for its user."""

    user: User
    scopes: tuple[str, ...] = ("api", "write_repository")
    expires: date | None = None
    revoked: bool = False
    id: int = field(default_factory=next_id)

    @property
    def trouble(self) -> str:
        if self.revoked:
            return "Token was revoked. You have to re-authorize from the user."
        if self.expires is not None and self.expires <= now().date():
            return "Token is expired. You can either do re-authorization or token refresh."
        return ""


@dataclass
class Note:
    body: str
    author: User
    system: bool = False
    awards: list[tuple[str, User]] = field(default_factory=list)
    id: int = field(default_factory=next_id)
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass
class Status:
    """A pipeline's job, or what somebody else said of a commit."""

    sha: str
    name: str
    status: str
    ref: str
    allow_failure: bool = False
    id: int = field(default_factory=next_id)
    created_at: datetime = field(default_factory=now)


@dataclass
class Pipeline:
    sha: str
    ref: str
    status: str
    id: int = field(default_factory=next_id)


@dataclass
class Request:
    """One merge request as it stands; `state` is opened, closed, locked or merged."""

    iid: int
    title: str
    description: str
    source_branch: str
    target_branch: str
    sha: str
    base_sha: str
    author: User
    web_url: str
    source_project_id: int
    state: str = "opened"
    labels: list[str] = field(default_factory=list)
    reviewers: dict[str, str] = field(default_factory=dict)
    assignees: list[str] = field(default_factory=list)
    approved_by: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    merge_status: str = "can_be_merged"
    pipeline: Pipeline | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    ended_by: User | None = None
    ended_at: datetime | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    id: int = field(default_factory=next_id)

    @property
    def draft(self) -> bool:
        return self.title.lower().startswith(DRAFTS)

    @property
    def number(self) -> int:
        return self.iid

    def note(self, id_: int) -> Note | None:
        return next((note for note in self.notes if note.id == id_), None)


@dataclass
class Hook:
    url: str
    token: str = ""
    signing_token: str = ""
    events: dict[str, bool] = field(default_factory=dict)
    ssl: bool = True
    id: int = field(default_factory=next_id)

    def wants(self, event: str) -> bool:
        return self.events.get(f"{event}_events", event == "push")  # GitLab's own default


@dataclass
class Project:
    """One project over a real bare repository; tests may set the switches."""

    path: str
    bare: Bare
    url: str
    tell: Callable[..., None]
    users: dict[str, User]
    visibility: str = "private"
    archived: bool = False
    requests_level: str = "enabled"
    multiple: bool = False
    """Several reviewers and assignees, which is not for the free tier."""
    has_reviewers_api: bool = True
    members: dict[str, int] = field(default_factory=dict)
    invited: dict[str, int] = field(default_factory=dict)
    """Members of a group that was invited; the project itself does not count them."""
    labels: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    id: int = field(default_factory=next_id)
    on_disk: str = ""

    def __post_init__(self) -> None:
        self.on_disk = self.path  # stays when it is renamed

    @property
    def web_url(self) -> str:
        return f"{self.url}/{self.path}"

    def level(self, user: User | None) -> int:
        if user is None:
            return 0
        if user.admin:
            return OWNER
        return max(self.members.get(user.username, 0), self.invited.get(user.username, 0))

    def sees(self, user: User | None) -> bool:
        return (
            self.visibility == "public"
            or self.level(user) > 0
            or (self.visibility == "internal" and user is not None)
        )

    def request(self, iid: int) -> Request | None:
        return next((each for each in self.requests if each.iid == iid), None)

    def refresh(self, user: User) -> None:
        """Bring open merge requests up to date with what was pushed; tell of what changed."""
        branches = self.bare.branches()
        for request in [each for each in self.requests if each.state == "opened"]:
            if request.source_project_id != self.id:
                continue
            head, base = branches.get(request.source_branch), branches.get(request.target_branch)
            if head is None:
                self.end(request, user, "closed")
                continue
            moved = (head, base) != (request.sha, request.base_sha)
            if head != request.sha:
                old, request.sha, request.updated_at = request.sha, head, now()
                request.pipeline = None
                self.bare.point(f"refs/merge-requests/{request.iid}/head", head)
                self.tell(self, "merge_requests", request, user, action="update", oldrev=old)
            if moved and base is not None:
                request.base_sha = base
                if not self.bare.ahead(base, head):
                    request.merge_commit_sha = base
                    self.end(request, user, "merged")
                else:
                    request.merge_status = self._merge_status(base, head)

    def open(self, user: User, source: str, target: str, title: str, description: str) -> Request:
        branches = self.bare.branches()
        iid = len(self.requests) + 1
        url = f"{self.web_url}/-/merge_requests/{iid}"
        head, base = branches[source], branches[target]
        request = Request(iid, title, description, source, target, head, base, user, url, self.id)
        request.merge_status = self._merge_status(base, head)
        self.requests.append(request)
        self.bare.point(f"refs/merge-requests/{iid}/head", head)
        self.tell(self, "merge_requests", request, user, action="open")
        return request

    def end(self, request: Request, user: User, state: str) -> None:
        request.state, request.ended_by = state, user
        request.ended_at = request.updated_at = now()
        action = "merge" if state == "merged" else "close"
        self.tell(self, "merge_requests", request, user, action=action)

    def reopen(self, request: Request, user: User) -> None:
        request.state, request.ended_by, request.ended_at, request.updated_at = "opened", None, None, now()
        self.tell(self, "merge_requests", request, user, action="reopen")

    def say(self, request: Request, user: User, body: str, *, system: bool = False) -> Note:
        note = Note(body, user, system)
        request.notes.append(note)
        request.updated_at = now()
        if not system:
            self.tell(self, "note", request, user, note=note)
        return note

    def _merge_status(self, base: str, head: str) -> str:
        return "can_be_merged" if self.bare.fits(base, head) else "cannot_be_merged"

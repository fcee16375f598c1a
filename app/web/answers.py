"""What the HTTP interface answers, written down for its document.

Answers are made from the words of `app.core`, once; nothing is validated or made again on its way out.
Tests hold every answer to these models, so they stay true: the fields, their order, types and nulls.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.core.changes import Verdict  # noqa: TC001 - pydantic reads them
from app.core.models import Kind, ProposalState  # noqa: TC001 - pydantic reads them

Id = Annotated[int, Field(ge=1)]
Next = Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]

CHECK: dict[str, Any] = {"command": "pytest -q", "before": "fail", "after": "pass"}
PROPOSAL: dict[str, Any] = {
    "id": 7,
    "project": "greeter",
    "kind": "fix",
    "title": "Greet an empty line as a stranger",
    "state": "open",
    "reason": None,
    "url": "https://github.com/me/greeter/pull/12",
    "number": 12,
    "branch": "pimainteno/fix/greeter.service-0a1b2c3d",
    "base_sha": "3f1c0e9a2b7d4c5e6f8091a2b3c4d5e6f7081920",
    "head_sha": "9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a291807",
    "draft": False,
    "ci": "success",
    "review": "none",
    "unit": "greeter.service",
    "fingerprint": "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "count": 3,
    "hosts": ["pi-1", "pi-2"],
    "codex_md_diff": "",
    "checks": [CHECK],
    "created_at": "2026-03-01T03:12:45.120000Z",
    "updated_at": "2026-03-01T03:15:02Z",
}
HEALTH: dict[str, Any] = {
    "failed": 1,
    "missing": 0,
    "silent": 0,
    "active": 2,
    "other": 0,
    "worst": "failed",
}
PROJECT: dict[str, Any] = {
    "name": "greeter",
    "forge": "hub",
    "repo": "me/greeter",
    "url": "https://github.com/me/greeter",
    "units": ["greeter.service"],
    "open": 1,
    "last_scan": "2026-03-01T03:30:11Z",
    "last_commit": "3f1c0e9a2b7d4c5e6f8091a2b3c4d5e6f7081920",
    "summary": "current",
    "health": HEALTH,
}
EVENT: dict[str, Any] = {
    "id": 41,
    "at": "2026-03-01T03:15:02Z",
    "kind": "proposal.opened",
    "project": "greeter",
    "proposal": 7,
    "run": 9,
    "actor": "pimainteno",
    "host": None,
    "text": "opened Greet an empty line as a stranger",
    "data": {},
}
PROBLEM: dict[str, Any] = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": "There is no proposal 7",
}


class Answer(BaseModel):
    """Base: every field is always there. More may come: readers ignore what they do not know."""

    model_config = ConfigDict(frozen=True)


class Check(Answer):
    """A command of the project's owner; null where it did not run."""

    command: str
    before: Verdict | None
    after: Verdict | None


class Proposal(Answer):
    """A branch and its pull or merge request, from the moment a run sets out to make it."""

    id: Id
    project: str
    kind: Kind
    title: str
    state: ProposalState
    reason: str | None = Field(description="Why it waits, was refused, was skipped or failed.")
    url: str | None = Field(description="Where people review it; null until it is open.")
    number: Id | None = Field(description="Its number on the forge; null until it is open.")
    branch: str
    base_sha: str | None
    head_sha: str | None
    draft: bool
    ci: Literal["none", "pending", "success", "failure"]
    review: Literal["none", "approved", "changes_requested"]
    unit: str | None = Field(description="The unit that failed; null where none did.")
    fingerprint: str | None = Field(description="What makes two failures the same.")
    count: int = Field(ge=0, description="How often this failure was seen.")
    hosts: list[str] = Field(description="Where this failure was seen.")
    codex_md_diff: str
    checks: list[Check]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Health(Answer):
    """How many of a project's units stand how, on all hosts; each counts once."""

    failed: int = Field(ge=0)
    missing: int = Field(ge=0, description="Named in the configuration, and not on any host.")
    silent: int = Field(ge=0, description="On a host that was not heard of lately.")
    active: int = Field(ge=0)
    other: int = Field(ge=0, description="Inactive, starting or stopping.")
    worst: Literal["failed", "missing", "silent", "fine", "unknown"]


class Project(Answer):
    """A repository to look after, and what was seen of it last."""

    name: str
    forge: str = Field(description="The forge's name in the configuration.")
    repo: str
    url: str | None
    units: list[str]
    open: int = Field(ge=0, description="How many of its proposals are working, waiting or open.")
    last_scan: AwareDatetime | None
    last_commit: str | None
    summary: Literal["missing", "outdated", "current"] | None = Field(description="How codex.md stands.")
    health: Health


class Event(Answer):
    """One line of the history."""

    id: Id
    at: AwareDatetime
    kind: str
    project: str | None
    proposal: Id | None
    run: Id | None
    actor: str
    host: str | None
    text: str
    data: dict[str, Any]


class Proposals(Answer):
    """A page of proposals."""

    items: list[Proposal]
    next: Next


class Projects(Answer):
    """All configured projects, by name."""

    items: list[Project]
    next: Next


class History(Answer):
    """A page of the history."""

    items: list[Event]
    next: Next


class Problem(Answer):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What happened, and what to do about it.")


EXAMPLES: dict[type[Answer], dict[str, Any]] = {
    Check: CHECK,
    Health: HEALTH,
    Proposal: PROPOSAL,
    Project: PROJECT,
    Event: EVENT,
    Problem: PROBLEM,
}

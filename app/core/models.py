"""The words of the project as frozen pydantic models: what travels between processes and stages."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from app.core.base import Model
from app.core.changes import Answer, Changeset, CheckResult, Summary, Usage
from app.core.units import UnitCounts


class Kind(StrEnum):
    """What a run sets out to do."""

    FIX = "fix"
    IMPROVE = "improve"
    SUMMARISE = "summarise"
    REVISE = "revise"


class ProposalState(StrEnum):
    """Where a proposal stands; the first three are listed as open."""

    WORKING = "working"
    WAITING = "waiting"
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"
    REFUSED = "refused"
    SKIPPED = "skipped"
    FAILED = "failed"


class Need(StrEnum):
    """What a proposal needs from people, in the order of the page."""

    READY = "ready"
    CI_FAILING = "ci_failing"
    CHANGES_REQUESTED = "changes_requested"
    EDITED = "edited"
    WAITING = "waiting"
    WORKING = "working"
    NOT_PROPOSED = "not_proposed"

    @property
    def words(self) -> str:
        """Return the words of the page."""
        return _NEEDS[self]


_NEEDS = {
    Need.READY: "Ready for review",
    Need.CI_FAILING: "CI failing",
    Need.CHANGES_REQUESTED: "Changes requested",
    Need.EDITED: "Edited by a person",
    Need.WAITING: "Waiting on limits",
    Need.WORKING: "Being worked on",
    Need.NOT_PROPOSED: "Could not be proposed",
}

ACTIVE = (ProposalState.WORKING, ProposalState.WAITING, ProposalState.OPEN)


class Incident(Model):
    """All failures of a project with the same fingerprint."""

    id: int
    project: str
    unit: str
    fingerprint: str
    fingerprint_version: int
    result: str
    exit_status: str
    state: Literal["open", "resolved"] = "open"
    count: int
    hosts: tuple[str, ...]
    first_at: AwareDatetime
    last_at: AwareDatetime
    log: str


class Proposal(Model):
    """A branch and its pull or merge request, from the moment a run sets out to make it.

    The fields up to `updated_at` are the external contract of the HTTP interface; the rest is ours.
    """

    id: int
    project: str
    kind: Kind
    title: str
    state: ProposalState
    reason: str | None = None
    url: str | None = None
    number: int | None = None
    branch: str
    base_sha: str | None = None
    head_sha: str | None = None
    draft: bool = False
    ci: Literal["none", "pending", "success", "failure"] = "none"
    review: Literal["none", "approved", "changes_requested"] = "none"
    unit: str | None = None
    fingerprint: str | None = None
    count: int = 0
    hosts: tuple[str, ...] = ()
    codex_md_diff: str = ""
    checks: tuple[CheckResult, ...] = ()
    created_at: AwareDatetime
    updated_at: AwareDatetime
    incident_id: int | None = Field(default=None, exclude=True)
    snoozed_until: AwareDatetime | None = Field(default=None, exclude=True)
    pushed: tuple[str, ...] = Field(default=(), exclude=True)
    body: str = Field(default="", exclude=True)
    failing: tuple[str, ...] = Field(default=(), exclude=True)
    own_title: str = Field(default="", exclude=True)
    foreign_sha: str | None = Field(default=None, exclude=True)
    merge_commit: str | None = Field(default=None, exclude=True)
    follows: int | None = Field(default=None, exclude=True)
    forge_changed: str = Field(default="", exclude=True)
    last_comment: int = Field(default=0, exclude=True)


RunState = Literal["queued", "working", "done", "skipped", "refused", "failed"]


class Run(Model):
    """One attempt by the agent. `stage` names the last finished stage; "" before the first."""

    id: int
    proposal_id: int
    project: str
    kind: Kind
    state: RunState = "queued"
    stage: str = ""
    retry: int = 0
    base_sha: str | None = None
    thread: str | None = None
    answer: Answer | None = None
    changeset: Changeset | None = None
    checks: tuple[CheckResult, ...] = ()
    diff: str = ""
    summary: Summary | None = None
    codex_md_diff: str = ""
    notes: tuple[str, ...] = ()
    model: str = ""
    usage: Usage = Usage()
    reason: str | None = None
    commit_sha: str | None = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None


class Job(Model):
    """A row of the outbox: work to do, on which queue, and how often it was tried."""

    id: int
    queue: str
    name: str
    args: dict[str, Any]
    state: Literal["queued", "running", "done", "dead"]
    attempts: int
    fence: int
    reason: str | None = None


class Lease(Model):
    """A worker's hold on a job; `fence` grows with each new holder."""

    job_id: int
    owner: str
    fence: int


class NewJob(Model):
    """Work to put into the outbox; `after_s` seconds from now at the earliest."""

    queue: str
    name: str
    args: dict[str, Any]
    after_s: float = 0.0


class Event(Model):
    """One line of the history."""

    id: int
    at: AwareDatetime
    kind: str
    project: str | None = None
    proposal: int | None = None
    run: int | None = None
    actor: str = "pimainteno"
    host: str | None = None
    text: str
    data: dict[str, Any] = Field(default_factory=dict)


class Delivery(Model):
    """A message from outside, taken in once: from a forge, or a watcher's report (source `reports`)."""

    source: str
    delivery_id: str
    event: str
    headers: dict[str, str] = Field(default_factory=dict)
    proposal_id: int | None = None
    result: str | None = None
    received_at: AwareDatetime
    done_at: AwareDatetime | None = None


class Pause(Model):
    """Why and since when no run is started; a person resumes."""

    reason: str
    actor: str
    at: AwareDatetime


class ProjectView(Model):
    """A project as the HTTP interface and `pimainteno projects` show it."""

    name: str
    forge: str
    repo: str
    url: str | None
    units: tuple[str, ...]
    open: int
    last_scan: AwareDatetime | None
    last_commit: str | None
    summary: Literal["missing", "outdated", "current"] | None
    health: UnitCounts = UnitCounts()

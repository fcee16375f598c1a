"""The words of the project as frozen pydantic models: what travels between processes and stages."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    computed_field,
)

LOG_LIMIT = 64 * 1024
"""Bytes of log that one failure may carry."""


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


class Model(BaseModel):
    """Base: frozen, and tolerant of keys that a later version adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


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

Verdict = Literal["pass", "fail", "timeout", "error"]
"""How one check ended: `error` is a command that could not be started."""


class Failure(Model):
    """One report from a watcher or a person: this unit failed, on this host, then, with this log."""

    id: str = Field(default_factory=lambda: uuid.uuid4().hex, max_length=200)
    project: str
    unit: str
    host: str
    at: AwareDatetime = Field(default_factory=now)
    result: str = "exit-code"
    exit_status: str = ""
    restarts: int | None = None
    invocation: str = ""
    systemd: str = ""
    memory_peak: int | None = None
    log: str = ""
    actor: str = "watcher"


class Recovery(Model):
    """A unit failed and recovered by itself within the settle time, `after_s` seconds later: no failure."""

    id: str = Field(default_factory=lambda: uuid.uuid4().hex, max_length=200)
    project: str
    unit: str
    host: str
    at: AwareDatetime = Field(default_factory=now)
    after_s: float
    result: str
    actor: str = "watcher"


class Tick(Model):
    """The daily look at one project; `day` is a local calendar day, `asked_by` a person's scan."""

    id: str = Field(default_factory=lambda: uuid.uuid4().hex, max_length=200)
    project: str
    day: str = ""
    actor: str = "watcher"


class UnitState(Model):
    """How one unit of a project stands on one host, in systemd's words."""

    project: str
    unit: str
    load: str = ""
    active: str = ""
    sub: str = ""
    result: str = ""
    """Why it failed; "" for a unit that has not failed."""
    since: AwareDatetime | None = None


class UnitStates(Model):
    """How the units on one host stand now, as its watcher sees them: no event, and told again and again.

    `full` is all of them: what is not among the items is gone. `sent` orders what one watcher says.
    """

    host: str
    bus: str = "system"
    sent: int
    full: bool
    items: tuple[UnitState, ...] = ()


def _bytes_in(value: Any) -> bytes | None:  # noqa: ANN401 - whatever JSON holds
    return value if value is None or isinstance(value, bytes) else base64.b64decode(value, validate=True)


def _bytes_out(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


Content = Annotated[
    bytes | None, PlainValidator(_bytes_in), PlainSerializer(_bytes_out, return_type=str | None)
]


class Change(Model):
    """One file of a changeset; `content` is None where the file is deleted."""

    path: str
    mode: Literal["100644", "100755", "120000"] = "100644"
    content: Content = None


class Changeset(Model):
    """What a run made: a base commit and the files that differ from it, in order of their paths."""

    base: str
    changes: tuple[Change, ...] = ()

    def with_file(self, path: str, content: bytes) -> Changeset:
        """Return this changeset with one regular file more, or replaced."""
        others = [c for c in self.changes if c.path != path]
        return self.with_changes([*others, Change(path=path, content=content)])

    def without_file(self, path: str) -> Changeset:
        """Return this changeset without that file."""
        return self.with_changes([c for c in self.changes if c.path != path])

    def with_changes(self, changes: list[Change]) -> Changeset:
        """Return a changeset on the same base with these changes, sorted by path."""
        return Changeset(base=self.base, changes=tuple(sorted(changes, key=lambda c: c.path)))


class CheckResult(Model):
    """One check's verdict on the base and on the changeset; None where it did not run."""

    command: str
    before: Verdict | None = None
    after: Verdict | None = None
    before_output: str = ""
    after_output: str = ""

    @property
    def proves(self) -> bool:
        """Whether it fails, or does not end, without the changeset and passes with it.

        A check that could not even be started before has shown no failure.
        """
        return self.before in ("fail", "timeout") and self.after == "pass"


class Answer(Model):
    """What the model says of a fix: a claim, shown as one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["fixed", "not_a_code_bug", "cannot_fix"]
    title: str
    cause: str
    change: str
    risk: Literal["low", "medium", "high"]
    confidence: float = Field(ge=0, le=1)


class Summary(Model):
    """What the model answers to a summarise call; the program writes the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    changed: bool
    codex_md: str


class CodexMd(Model):
    """A project's codex.md on its default branch, fit to be shown; None where it has none."""

    text: str | None
    commit: str
    cut: bool = False
    """Whether the file goes on after the text."""


class Usage(Model):
    """Tokens that one run took, over all its calls to the model."""

    input: int = 0
    cached: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """All tokens, in and out."""
        return self.input + self.output

    def plus(self, other: Usage) -> Usage:
        """Return the sum of both."""
        return Usage(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            output=self.output + other.output,
        )


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


SILENT_AFTER = timedelta(minutes=15)
"""A watcher tells how things stand every few minutes; one that has not for this long is not there."""


class KnownUnit(UnitState):
    """A unit's state as its host's watcher told it, and when that watcher was last heard of."""

    host: str
    bus: str
    heard_at: AwareDatetime

    @property
    def failed(self) -> bool:
        """Whether it has failed, or waits to be started again after it has."""
        return self.active == "failed" or bool(self.result)

    @property
    def missing(self) -> bool:
        """Whether its host has no such unit, or one that cannot be loaded."""
        return self.load not in ("loaded", "")

    @property
    def silent(self) -> bool:
        """Whether its host has not been heard of for so long that this may no longer be so."""
        return now() - self.heard_at > SILENT_AFTER


class UnitCounts(Model):
    """How the units of a project stand, in numbers; each unit of each host counts in one of these."""

    failed: int = 0
    missing: int = 0
    silent: int = 0
    """Of a host that has not been heard of lately, whatever they were then."""
    active: int = 0
    other: int = 0
    """Inactive, starting or stopping."""

    @property
    def total(self) -> int:
        """All of them; 0 where no watcher has told of any."""
        return self.failed + self.missing + self.silent + self.active + self.other

    @computed_field  # type: ignore[prop-decorator]
    @property
    def worst(self) -> Literal["failed", "missing", "silent", "fine", "unknown"]:
        """The worst that is so of any of them; `unknown` where no watcher has told of any."""
        if self.failed:
            return "failed"
        if self.missing:
            return "missing"
        if self.silent:
            return "silent"
        return "fine" if self.total else "unknown"


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

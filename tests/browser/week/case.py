"""One proposal's story in a table's row: what failed, what was made of it, and how it stands now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from app.core.changes import CheckResult, Verdict
from app.core.models import Kind, ProposalState

FORGES = {
    "greeter": "here",
    "heating": "here",
    "attic-archive": "here",
    "weather-station": "hub",
    "camera": "hub",
    "dns-filter": "hub",
    "backup": "lab",
    "shop": "lab",
}
REPOS = {
    "greeter": "/srv/git/greeter.git",
    "heating": "/srv/git/heating.git",
    "attic-archive": "/srv/git/attic-archive.git",
    "weather-station": "home/weather-station",
    "camera": "home/camera",
    "dns-filter": "home/dns-filter",
    "backup": "house/backup",
    "shop": "house/shop",
}
PAGES = {
    "hub": "https://github.com/{repo}/pull/{number}",
    "lab": "https://gitlab.com/{repo}/-/merge_requests/{number}",
}


def ago(hours: float) -> timedelta:
    """Return how long before now something was."""
    return timedelta(hours=hours)


def check(
    command: str,
    before: Verdict | None = "fail",
    after: Verdict | None = "pass",
    said_before: str = "",
    said_after: str = "",
) -> CheckResult:
    """Return one check's result."""
    return CheckResult(
        command=command, before=before, after=after, before_output=said_before, after_output=said_after
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A proposal from its first failure to now. Times are hours before now."""

    project: str
    title: str
    first: float
    last: float = -1.0
    """Of the failures; -1 is the same as the first."""
    kind: Kind = Kind.FIX
    unit: str = ""
    result: str = "exit-code"
    exit_status: str = "1"
    hosts: tuple[str, ...] = ("pi-hall",)
    times: int = 1
    log: str = ""
    cause: str = ""
    change: str = ""
    risk: Literal["low", "medium", "high"] = "low"
    confidence: float = 0.9
    verdict: Literal["fixed", "not_a_code_bug", "cannot_fix"] = "fixed"
    checks: tuple[CheckResult, ...] = ()
    diff: str = ""
    codex_md_diff: str = ""
    notes: tuple[str, ...] = ()
    tokens: tuple[int, int, int] = (38_000, 21_000, 3_300)
    state: ProposalState = ProposalState.OPEN
    reason: str = ""
    draft: bool = False
    ci: Literal["none", "pending", "success", "failure"] = "none"
    failing: tuple[str, ...] = ()
    review: Literal["none", "approved", "changes_requested"] = "none"
    by: str = "ann"
    """Who reviewed, merged, closed or pushed."""
    edited: bool = False
    snoozed: float = 0.0
    """Hours from now until which it sleeps."""
    ended: float = 0.5
    """When a person decided, in hours before now."""

    @property
    def forge(self) -> str:
        """Name the forge of its project."""
        return FORGES[self.project]

    @property
    def last_failure(self) -> float:
        """Return when it failed last, in hours before now."""
        return self.first if self.last < 0 else self.last

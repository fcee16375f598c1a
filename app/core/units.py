"""How units stand: what a watcher tells of them, and what is known of them then."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime, computed_field

from app.core.base import Model, now

SILENT_AFTER = timedelta(minutes=15)
"""A watcher tells how things stand every few minutes; one that has not for this long is not there."""


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

"""What reaches intake: failures and recoveries of units, and the daily look at a project."""

from __future__ import annotations

import uuid

from pydantic import AwareDatetime, Field

from app.core.base import Model, now

LOG_LIMIT = 64 * 1024
"""Bytes of log that one failure may carry."""


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

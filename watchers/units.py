"""What systemd says of a unit, and what that means: pure functions of its properties."""

from __future__ import annotations

import hashlib
import re
import signal
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT_PROPERTIES = {
    "ActiveState": "active",
    "SubState": "sub",
    "InvocationID": "invocation",
    "StateChangeTimestamp": "changed_us",
    "StateChangeTimestampMonotonic": "changed_monotonic_us",
}
TYPE_PROPERTIES = {
    "Result": "result",
    "NRestarts": "restarts",
    "ExecMainCode": "code",
    "ExecMainStatus": "status",
    "ExecMainPID": "pid",
}
"""Of the type's own interface; each type has some of these."""
FIELDS = UNIT_PROPERTIES | TYPE_PROPERTIES
WITH_RESULT = ("service", "socket", "mount", "timer", "swap", "path", "scope", "automount")
FAILED_STATES = ("failed", "auto-restart", "auto-restart-queued", "failed-before-auto-restart")
"""States, and states below these, of a unit that failed; from systemd 254 on a restart has several."""
SUCCESS = ("success", "")
UNIT_PATH = "/org/freedesktop/systemd1/unit/"
EXITED, KILLED, DUMPED = 1, 2, 3
"""`ExecMainCode`, which is `si_code` of waitid(2)."""


class Phase(Enum):
    """Where a unit stands, as far as failing goes."""

    FAILED = auto()
    FINE = auto()
    AT_REST = auto()
    UNDER_WAY = auto()


@dataclass(slots=True)
class Unit:
    """What we last heard of a unit; a property that its systemd does not have keeps the default."""

    name: str
    active: str = ""
    sub: str = ""
    invocation: str = ""
    changed_us: int = 0
    changed_monotonic_us: int = 0
    result: str = ""
    restarts: int | None = None
    code: int = 0
    status: int = 0
    pid: int = 0
    missed: Round | None = None
    """A round that ended without a state that says so; whoever judges the unit takes it."""

    def hear(self, properties: Mapping[str, object]) -> None:
        """Take in properties as D-Bus brings them, whatever else is among them."""
        before, restarts = self.invocation, self.restarts
        for name, attribute in FIELDS.items():
            if name in properties:
                value = properties[name]
                setattr(self, attribute, value.hex() if isinstance(value, bytes) else value)
        grew = restarts is not None and self.restarts is not None and self.restarts > restarts
        if grew and self.result not in SUCCESS:
            elapsed, at = time.monotonic(), datetime.now(UTC)
            self.missed = replace(round_of(self), invocation=before, at=at, began=elapsed, pid=0)


@dataclass(frozen=True, slots=True)
class Round:
    """One invocation of a unit that failed: the facts of a report, before its log is read."""

    unit: str
    invocation: str
    result: str
    exit_status: str
    restarts: int | None
    at: datetime
    began: float
    """By the monotonic clock, in seconds."""

    changed_us: int = 0
    pid: int = 0
    """Of its main process; 0 where that is not known."""

    @property
    def key(self) -> str:
        """What makes two rounds of a unit the same one."""
        return self.invocation or str(self.changed_us)

    @property
    def name(self) -> str:
        """The key, also for whoever knows nothing of this unit: without any, the time is all there is."""
        return self.key if self.key != "0" else self.at.isoformat()


def phase(unit: Unit) -> Phase:
    """Return where a unit stands."""
    if unit.active == "failed":
        return Phase.FAILED
    if unit.sub in FAILED_STATES:
        return Phase.UNDER_WAY if unit.result in SUCCESS else Phase.FAILED
    if unit.active in {"active", "reloading", "refreshing"}:
        return Phase.FINE
    return Phase.AT_REST if unit.active == "inactive" else Phase.UNDER_WAY


def round_of(unit: Unit) -> Round:
    """Return the facts of a unit's failure; times that cannot be are now."""
    now, elapsed = datetime.now(UTC), time.monotonic()
    at = datetime.fromtimestamp(unit.changed_us / 1e6, UTC) if unit.changed_us else now
    began = unit.changed_monotonic_us / 1e6
    return Round(
        unit=unit.name,
        invocation=unit.invocation,
        result=cause(unit),
        exit_status=exit_status(unit),
        restarts=unit.restarts,
        at=at,
        began=began if 0 < began <= elapsed else elapsed,
        changed_us=unit.changed_us,
        pid=unit.pid,
    )


def cause(unit: Unit) -> str:
    """Return why a unit failed: at the end of a restart loop, why its last round did.

    systemd then says `start-limit-hit`, or the last round's own result, as the version has it.
    """
    if unit.result == "start-limit-hit":
        if unit.code == EXITED and unit.status:
            return "exit-code"
        return {KILLED: "signal", DUMPED: "core-dump"}.get(unit.code, unit.result)
    return unit.result if unit.result not in SUCCESS else "failed"


def exit_status(unit: Unit) -> str:
    """Return the exit code, or the name of the signal, that ended the main process; "" if none did."""
    if unit.code == EXITED:
        return str(unit.status)
    if unit.code in {KILLED, DUMPED}:
        try:
            return signal.Signals(unit.status).name
        except ValueError:
            return f"signal {unit.status}"
    return ""


def type_interface(name: str) -> str | None:
    """Return the interface with the result of units of that name's type, or None if the type has none."""
    kind = name.rpartition(".")[2]
    return f"org.freedesktop.systemd1.{kind.capitalize()}" if kind in WITH_RESULT else None


def name_at(path: str) -> str:
    """Return the name of the unit at an object path: `_xx` stands for a byte, as in sd_bus_path_decode(3)."""
    escaped = path.removeprefix(UNIT_PATH)
    return re.sub(r"_([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), escaped)


def path_of(name: str) -> str:
    """Return the object path of a unit."""
    found = re.sub(r"[^A-Za-z0-9]|^[0-9]", lambda match: f"_{ord(match[0]):02x}", name)
    return UNIT_PATH + found


def report_id(*parts: str) -> str:
    """Return the id of a report on the same thing, whoever makes it and however often."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

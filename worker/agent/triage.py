"""Judge by the unit's facts whether a failure can be a bug in the project's code at all.

A verdict here costs no tokens: the machine's own trouble is named and no proposal is opened. The
patterns are the messages of the kernel, libc and systemd; what a project prints in its own words is
left to the agent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.errors import Skipped

if TYPE_CHECKING:
    from app.core.models import Incident


@dataclass(frozen=True)
class Cause:
    """A cause outside the code: what it looks like, and what the person can do."""

    advice: str
    result: str = ""
    exit_status: frozenset[str] = frozenset()
    log: re.Pattern[str] | None = None


def _says(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


CAUSES: tuple[Cause, ...] = (
    Cause(
        "the kernel ended it for want of memory: give the unit or the host more, or find the leak by hand",
        "oom-kill",
    ),
    Cause(
        "systemd could not give the unit what it needs (see `systemctl status`): a unit file or host problem",
        "resources",
    ),
    # systemd.exec(5), "Process exit codes": set up by systemd before the program ran
    Cause(
        "systemd could not enter the unit's WorkingDirectory: it is missing on this host",
        exit_status=frozenset({"200", "CHDIR"}),
    ),
    Cause("the unit's User does not exist on this host", exit_status=frozenset({"217", "USER"})),
    Cause("the unit's Group does not exist on this host", exit_status=frozenset({"216", "GROUP"})),
    Cause(
        "systemd could not set up the unit's namespaces or mounts",
        exit_status=frozenset({"226", "NAMESPACE"}),
    ),
    Cause(
        "the disk is full: free some space",
        log=_says(r"no space left on device|\bENOSPC\b|disk quota exceeded"),
    ),
    Cause(
        "the disk or its file system is read-only or broken",
        log=_says(r"read-only file system|input/output error|structure needs cleaning"),
    ),
    Cause("another program holds the port or socket", log=_says(r"address already in use|\bEADDRINUSE\b")),
    Cause(
        "a certificate has expired: renew it",
        log=_says(r"certificate (?:has )?expired|certificate is not yet valid"),
    ),
    Cause(
        "too many open files: raise LimitNOFILE or find the leak",
        log=_says(r"too many open files|\bEMFILE\b"),
    ),
    Cause(
        "a name could not be resolved: the network or DNS was away",
        log=_says(r"temporary failure in name resolution|network is unreachable|no route to host"),
    ),
)


def judge(incident: Incident) -> None:
    """Return where the failure may be a code bug; raise Skipped, with the cause, where it cannot."""
    last = "\n".join(incident.log.splitlines()[-LAST_LINES:])
    for cause in CAUSES:
        if (
            (cause.result and cause.result == incident.result)
            or (incident.exit_status and incident.exit_status in cause.exit_status)
            or (cause.log is not None and cause.log.search(last))
        ):
            raise Skipped(f"not a code bug: {cause.advice}")


LAST_LINES = 15
"""A cause that the end of the log does not name did not end the unit."""

"""Running the demo's service for real: as a transient unit where a systemd answers, else as a child."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.core import process
from app.core.errors import ProcessError
from app.demo.project import SERVICE, UNIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

SYSTEM_PYTHON = Path("/usr/bin/python3")
PATIENCE_S = 30.0
USERS_BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


@dataclass(frozen=True)
class Manager:
    """A systemd that runs units for us: the system's for root, else the user's own."""

    bus: Literal["system", "user"]

    @property
    def chosen(self) -> list[str]:
        """The argument by which systemd's own programs choose it."""
        return ["--user"] if self.bus == "user" else []


@dataclass(frozen=True)
class Ran:
    """How the service ended: as what it ran, systemd's word for the result, exit status and output."""

    how: str
    result: str
    exit_status: str
    output: str
    invocation: str = ""

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.result != "success"


async def manager() -> Manager | None:
    """Return the systemd that answers and has no unit of this name already; None where there is none."""
    found = Manager("system" if os.geteuid() == 0 else "user")
    try:
        shown = await _systemctl(found, "show", "--property=LoadState", UNIT)
    except ProcessError:
        return None
    return found if shown == {"LoadState": "not-found"} else None


async def run(checkout: Path, manager: Manager | None = None) -> Ran:
    """Run the service once, from the checkout, to its end: as a unit of the manager, else as a child."""
    if manager is None:
        return await _as_child(checkout)
    async with unit(checkout, manager, piped=True) as ran:
        return ran


@asynccontextmanager
async def unit(checkout: Path, manager: Manager, *, piped: bool = False) -> AsyncIterator[Ran]:
    """Run the service once as a unit, which then stays as it ended, for a watcher, until we leave.

    What it prints goes to the journal, as with any unit, unless it is `piped` to us.
    """
    start = ["systemd-run", *manager.chosen, "--quiet", "--wait", *(["--pipe"] if piped else [])]
    argv = [*start, f"--unit={UNIT}", f"--working-directory={checkout}", *_command()]
    try:
        done = await process.run(argv, env=_environment(), merge=True, timeout_s=PATIENCE_S)
        told = await _systemctl(manager, "show", "--property=Result,ExecMainStatus,InvocationID", UNIT)
        yield Ran(
            how=f"a transient unit of the {manager.bus}'s systemd",
            result=told.get("Result", "exit-code"),
            exit_status=told.get("ExecMainStatus", ""),
            output=_text(done.stdout),
            invocation=told.get("InvocationID", ""),
        )
    finally:
        await asyncio.shield(_forget(manager))


async def _forget(manager: Manager) -> None:
    """Leave no unit behind, neither a failed one nor, after Ctrl-C, one that runs on."""
    for order in ("stop", "reset-failed"):
        await _systemctl(manager, order, UNIT)


def _command() -> list[str]:
    return [str(SYSTEM_PYTHON) if SYSTEM_PYTHON.exists() else sys.executable, *SERVICE]


async def _as_child(checkout: Path) -> Ran:
    done = await process.run(_command(), cwd=checkout, merge=True, timeout_s=PATIENCE_S)
    code = done.returncode
    result = "success" if code == 0 else "signal" if code < 0 else "exit-code"
    return Ran("a child process, since no systemd answers", result, str(abs(code)), _text(done.stdout))


async def _systemctl(manager: Manager, *arguments: str) -> Mapping[str, str]:
    argv = ["systemctl", *manager.chosen, *arguments]
    done = await process.run(argv, env=_environment(), timeout_s=PATIENCE_S)
    pairs = (line.partition("=") for line in done.stdout.decode(errors="replace").splitlines())
    return {key: value for key, _, value in pairs} if done.returncode == 0 else {}


def _environment() -> dict[str, str]:
    return process.environment(**{name: os.environ[name] for name in USERS_BUS if name in os.environ})


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")

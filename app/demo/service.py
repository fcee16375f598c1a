"""Running the demo's service for real: as a transient unit where a manager answers, else as a child."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core import process
from app.core.errors import ProcessError
from app.demo.project import SERVICE, UNIT

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_PYTHON = Path("/usr/bin/python3")
PATIENCE_S = 30.0
USERS_BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


@dataclass(frozen=True)
class Ran:
    """How the service ended: as what it ran, systemd's word for the result, exit status and output."""

    how: str
    result: str
    exit_status: str
    output: str

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.result != "success"


async def run(checkout: Path) -> Ran:
    """Run the service once, from the checkout, to its end."""
    manager = ["--user"] if os.geteuid() != 0 else []
    if await _can_run_units(manager):
        return await _as_unit(manager, checkout)
    return await _as_child(checkout)


def _command() -> list[str]:
    return [str(SYSTEM_PYTHON) if SYSTEM_PYTHON.exists() else sys.executable, *SERVICE]


async def _can_run_units(manager: list[str]) -> bool:
    """Tell whether a manager answers and has no unit of this name already."""
    try:
        shown = await _systemctl(manager, "show", "--property=LoadState", UNIT)
    except ProcessError:
        return False
    return shown == {"LoadState": "not-found"}


async def _as_unit(manager: list[str], checkout: Path) -> Ran:
    start = ["systemd-run", *manager, "--quiet", "--wait", "--pipe", f"--unit={UNIT}"]
    argv = [*start, f"--working-directory={checkout}", *_command()]
    done = await process.run(argv, env=_environment(), merge=True, timeout_s=PATIENCE_S)
    told = await _systemctl(manager, "show", "--property=Result,ExecMainStatus", UNIT)
    await _systemctl(manager, "reset-failed", UNIT)
    how = f"a transient unit of the {'user' if manager else 'system'}'s systemd"
    return Ran(how, told.get("Result", "exit-code"), told.get("ExecMainStatus", ""), _text(done.stdout))


async def _as_child(checkout: Path) -> Ran:
    done = await process.run(_command(), cwd=checkout, merge=True, timeout_s=PATIENCE_S)
    code = done.returncode
    result = "success" if code == 0 else "signal" if code < 0 else "exit-code"
    return Ran("a child process, since no systemd answers", result, str(abs(code)), _text(done.stdout))


async def _systemctl(manager: list[str], *arguments: str) -> Mapping[str, str]:
    done = await process.run(["systemctl", *manager, *arguments], env=_environment(), timeout_s=PATIENCE_S)
    pairs = (line.partition("=") for line in done.stdout.decode(errors="replace").splitlines())
    return {key: value for key, _, value in pairs} if done.returncode == 0 else {}


def _environment() -> dict[str, str]:
    return process.environment(**{name: os.environ[name] for name in USERS_BUS if name in os.environ})


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")

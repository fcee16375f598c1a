"""What a newcomer sees first."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import app
from app.cli import SECTIONS

if TYPE_CHECKING:
    from tests.cli.conftest import Command

HEAVY = ("pydantic", "sqlalchemy", "fastapi", "arq", "redis", "asyncio", "rich", "structlog", "pygit2")


async def test_help_lists_every_command_on_one_line_each(command: Command) -> None:
    ended = await command.run("--help", config=False)
    assert ended.code == 0
    lines = ended.out.splitlines()
    for name in [name for names in SECTIONS.values() for name in names]:
        (line,) = (line for line in lines if line.startswith(f"  {name} "))
        assert line.endswith(".")
        assert len(line) <= 80
    assert "Examples:" in ended.out


async def test_every_command_has_a_help_of_its_own(command: Command) -> None:
    for name in ("fix", "up", "history", "snooze"):
        ended = await command.run(name, "--help", config=False)
        assert (ended.code, ended.err) == (0, "")
        assert f"Usage: pimainteno {name}" in ended.out
        assert "--attached" not in ended.out


async def test_the_version(command: Command) -> None:
    ended = await command.run("--version", config=False)
    assert (ended.code, ended.out) == (0, f"pimainteno {app.__version__}\n")


async def test_wrong_use_is_exit_code_2(command: Command) -> None:
    for arguments in (
        [],
        ["nonsense"],
        ["fix"],
        ["fix", "greeter"],
        ["retry", "x"],
        ["worker", "--role", "king"],
    ):
        ended = await command.run(*arguments, config=False)
        assert ended.code == 2, arguments
        assert "Traceback" not in ended.err


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, app.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""Following a guide word for word: its blocks of code are read out of the document and run as they stand.

They run in the home of somebody who has a service with a bug. Filled in is what a person fills in: secrets
that are pasted, and addresses of one's own. What is elsewhere for a test (the model's server, a free port, a
forge's own address) is given by variables.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.demo.model import ModelServer
from tests.e2e import greeter
from tests.e2e.conftest import ROOT, WAIT_S, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

KEY = "sk-a-key-that-somebody-pasted-0123456789"
FILES = {
    **{name: text for name, text in greeter.FILES.items() if name != "check.py"},
    "test_greeter.py": (
        "import unittest\n\nfrom greeter import greet\n\n\n"
        "class Greeting(unittest.TestCase):\n"
        "    def test_an_empty_line_is_a_stranger(self):\n"
        '        self.assertEqual(greet("\\n"), "Hello, stranger!")\n'
    ),
}
"""A project whose `python3 -m unittest -q` shows whether it works."""
SETUP = 'ln -s "{env}" "$(dirname "$0")/../.venv"\n'
"""What deploy/setup.sh comes to where all is installed; tests/deploy has the rest of it."""
JOURNALCTL = "#!/bin/sh\ncat <<'LOG'\n{log}LOG\n"


def blocks(document: str, heading: str) -> list[tuple[str, str]]:
    """Return the blocks of code of a section: the language and the text of each."""
    text = (ROOT / document).read_text(encoding="utf-8")
    section = re.split(r"^#{2,3} ", text.split(f"# {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"^( *)```(\w+)\n(.*?)^\1```$", section, re.MULTILINE | re.DOTALL)
    return [(language, textwrap.dedent(code)) for _, language, code in found]


@dataclass
class Person:
    """Somebody at a terminal, in a clone of this repository."""

    home: Path
    env: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def clone(self) -> Path:
        """The folder that the commands are typed in."""
        return self.home / "PiMainteno"

    @property
    def config(self) -> Path:
        """Where docs/github.md puts the configuration."""
        return self.home / ".config/pimainteno/pimainteno.toml"

    async def types(self, script: str, *, pastes: str = "") -> list[str]:
        """Run a block to its end; return the lines that it printed."""
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            cwd=self.clone,
            env=self.env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(2 * WAIT_S):
            out, err = await shell.communicate(f"{pastes}\n".encode())
        assert shell.returncode == 0, f"{script}\n{out.decode()}{err.decode()}\n{self.log()}"
        return out.decode().splitlines()

    def starts(self, line: str) -> None:
        """Start what runs until Ctrl-C."""
        with (self.home / "up.log").open("wb") as log:
            self.running.append(
                subprocess.Popen(
                    shlex.split(line, comments=True), cwd=self.clone, env=self.env, stdout=log, stderr=log
                )
            )

    async def proposals(self) -> list[dict[str, Any]]:
        """Return the open proposals, oldest first."""
        told = await self.types(".venv/bin/pimainteno proposals --json")
        return sorted(json.loads("\n".join(told)), key=lambda proposal: proposal["id"])

    def log(self) -> str:
        """Return what the processes printed so far."""
        log = self.home / "up.log"
        return log.read_text() if log.exists() else ""

    async def ends(self) -> list[int]:
        """Press Ctrl-C; return the exit codes of what ran until then."""
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        return [await asyncio.to_thread(process.wait, 30) for process in self.running]


@asynccontextmanager
async def at_home(place: Path, **more: str) -> AsyncIterator[Person]:
    """Be somebody with a checkout of the greeter, whose journal has its failure."""
    clone, programs = place / "PiMainteno", place / "programs"
    for folder in (clone / "deploy", programs):
        folder.mkdir(parents=True)
    (clone / "deploy/setup.sh").write_text(SETUP.format(env=sys.prefix))
    (programs / "journalctl").write_text(JOURNALCTL.format(log=greeter.LOG))
    (programs / "journalctl").chmod(0o755)
    async with ModelServer(greeter.Greeter()) as model:
        env = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(place),
            "LANG": "C.UTF-8",
            "TZ": midday(),
            "PIMAINTENO_CODEX__BASE_URL": model.base_url,
            "PIMAINTENO_WEB__PORT": str(House.free_port()),
            **more,
        }
        person = Person(place, env)
        try:
            yield person
            assert set(await person.ends()) == {0}, person.log()
        finally:
            await person.ends()


def midday() -> str:
    """Return a time zone in which the daily look is due today, whenever the tests run."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}"


async def follow(person: Person, document: str, heading: str, *, token: str, forge: str = "") -> list[str]:
    """Do what a guide says for a token of one kind, with another table for the forge where one is given.

    Return what the last command printed.
    """
    pasted, said = [token, KEY], [""]
    for language, code in blocks(document, heading):
        if language == "toml":
            person.config.write_text(with_forge(code, forge) if forge else code)
        elif code.split() == [".venv/bin/pimainteno", "up"]:
            await person.types("bash deploy/setup.sh")
            person.starts(code)
        else:
            said = await person.types(code, pastes=pasted.pop(0) if "cat >" in code else "")
    assert pasted == []
    for secret in (token, KEY):
        assert secret not in person.log()
    return said


def with_forge(config: str, forge: str) -> str:
    """Return a configuration with another table for its forge."""
    before, _, rest = config.partition("[forges.")
    assert rest
    return f"{before}{forge}\n{rest[rest.index('[') :]}"


def tomls(document: str, heading: str) -> list[str]:
    """Return the blocks of TOML of a section."""
    return [code for language, code in blocks(document, heading) if language == "toml"]


def page(person: Person) -> str:
    return f"http://127.0.0.1:{person.env['PIMAINTENO_WEB__PORT']}"


async def until_open(person: Person, branch: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not any(each["branch"] == branch and each["state"] == "open" for each in await person.proposals()):
        assert time.monotonic() < deadline, person.log()
        await asyncio.sleep(0.1)


async def until(true: Callable[[], bool], person: Person) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, person.log()
        await asyncio.sleep(0.05)

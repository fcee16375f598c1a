"""The set-up that README.md and docs/github.md describe, followed word for word.

The blocks are read out of the documents and run as they stand, in the home of somebody who has a service
with a bug. Filled in is what a person fills in: secrets that are pasted, and addresses of one's own. What is
elsewhere for a test (the model's server, a free port, GitHub's own address) is given by variables.
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

from cryptography.hazmat.primitives.asymmetric import rsa

from app.core.settings import load
from app.demo.model import ModelServer
from tests.doubles.encrypted import EncryptedGitHub, pem, public
from tests.doubles.github import GitHub
from tests.e2e import greeter
from tests.e2e.conftest import ROOT, WAIT_S, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.doubles.github.state import Pull

REPO = "me/greeter"
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
KEY = "sk-a-key-that-somebody-pasted-0123456789"
EXAMPLE = "https://github.example.com"
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


async def test_the_readme_leads_from_a_clone_to_a_merged_repair(place: Path) -> None:
    """Each of its two blocks, and what it says between them."""
    greeter.make(place, FILES)
    (place / "checkout").rename(place / "greeter")
    (place / "greeter.git").rename(place / "elsewhere.git")
    (_, begin), (_, then) = blocks("README.md", "Look after a project of your own")
    set_up, _, up = begin.rstrip().rpartition("\n")
    async with at_home(place) as person:
        await person.types(set_up, pastes=KEY)
        assert (place / "openai-key").stat().st_mode & 0o777 == 0o600
        person.starts(up)
        await until_open(person, "pimainteno/codex-md")
        said = await person.types(then)
        assert any(re.fullmatch(rf"{page(person)}/proposals/2", line) for line in said), said
        assert "stranger" in (place / "greeter/greeter.py").read_text()
        assert (place / "greeter/codex.md").read_text() == greeter.SUMMARY
        assert await person.proposals() == []


def test_the_readme_and_the_guide_configure_github_alike(tmp_path: Path) -> None:
    for name in ("github-token", "openai-key"):
        (tmp_path / name).write_text("secret")
    (_, short), (_, long) = blocks("README.md", "On GitHub or GitLab")[0], tomls("With a personal token")[0]
    file = tmp_path / "pimainteno.toml"
    file.write_text(short)
    brief = load(file, env={})
    file.write_text(long)
    full = load(file, env={})
    assert brief.forges == full.forges
    assert brief.projects["greeter"] == full.projects["greeter"].model_copy(update={"reviewers": ()})


async def test_a_personal_token_leads_to_a_pull_request(place: Path) -> None:
    bare = greeter.make(place, FILES)
    async with (
        GitHub(place / "hub", repos={REPO: bare}, token=TOKEN) as github,
        at_home(place, PIMAINTENO_FORGES__HUB__API_URL=github.url) as person,
    ):
        await follow(person, github)
        await until(lambda: "pimainteno" in fix(github).labels, person)
        await until(lambda: fix(github).reviewers == ["octocat"], person)


async def test_an_app_leads_to_a_pull_request(place: Path) -> None:
    """Its first section's secrets are wrong here: they must not be needed."""
    bare = greeter.make(place, FILES)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (place / "Downloads").mkdir()
    (place / "Downloads/greeters-mechanic.2026-11-23.private-key.pem").write_bytes(pem(key))
    forge = tomls("As a GitHub App")[0]
    app_id = re.search(r'app_id = "(\d+)"', forge[1])
    assert app_id is not None
    async with (
        GitHub(place / "hub", repos={REPO: bare}, token=TOKEN, app=(app_id[1], public(key))) as github,
        at_home(place, PIMAINTENO_FORGES__HUB__API_URL=github.url) as person,
    ):
        for language, code in blocks("docs/github.md", "As a GitHub App"):
            if language == "sh":
                await person.types(code)
        assert person.config.with_name("github-app.pem").stat().st_mode & 0o777 == 0o600
        await follow(person, github, forge=forge[1], token="none")


async def test_an_enterprise_server_with_its_own_authority_leads_to_a_pull_request(place: Path) -> None:
    bare = greeter.make(place, FILES)
    (_, forge) = tomls("GitHub Enterprise Server")[0]
    async with (
        EncryptedGitHub(place / "hub", repos={REPO: bare}, token=TOKEN) as github,
        at_home(place) as person,
    ):
        person.config.parent.mkdir(parents=True)
        person.config.with_name("github-ca.pem").write_bytes((place / "hub/certificate.pem").read_bytes())
        assert f'"{EXAMPLE}/api/v3"' in forge
        await follow(person, github, forge=forge.replace(EXAMPLE, github.url))


async def follow(person: Person, github: GitHub, *, forge: str = "", token: str = TOKEN) -> None:
    """Do what the guide says for a personal token, with another [forges.hub] where one is given."""
    pasted = [token, KEY]
    for language, code in blocks("docs/github.md", "With a personal token"):
        if language == "toml":
            person.config.write_text(with_forge(code, forge) if forge else code)
        elif code.split() == [".venv/bin/pimainteno", "up"]:
            await person.types("bash deploy/setup.sh")
            person.starts(code)
        else:
            said = await person.types(code, pastes=pasted.pop(0) if "cat >" in code else "")
    assert pasted == []
    pull = fix(github)
    assert said[-1] == pull.html_url
    assert re.search(r"\|\s*`python3 -m unittest -q`\s*\|\s*fail\s*\|\s*pass\s*\|", pull.body)
    assert TOKEN not in person.log()
    assert KEY not in person.log()


def fix(github: GitHub) -> Pull:
    """Return the pull request that mends the greeter; another one may add codex.md."""
    return next(each for each in github.pulls(REPO) if each.head_ref.startswith("pimainteno/fix/"))


def with_forge(config: str, forge: str) -> str:
    """Return a configuration with another table for its forge."""
    kept, _, rest = config.partition("[forges.hub]\n")
    assert rest
    return f"{kept}{forge}\n{rest[rest.index('[') :]}"


def tomls(heading: str) -> list[tuple[str, str]]:
    """Return the blocks of TOML of a section of the guide."""
    return [block for block in blocks("docs/github.md", heading) if block[0] == "toml"]


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

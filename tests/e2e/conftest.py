"""A house of real parts: processes of `pimainteno`, embedded Redis, SQLite, git and a scripted model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from app.demo.model import ModelServer
from tests.e2e import greeter
from tests.e2e.greeter import Greeter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SECRET = "hunter2-canary-7f3a9c"
WAIT_S = 60
ROOT = Path(__file__).parents[2]


@dataclass
class House:
    """One installation in a folder of its own."""

    at: Path
    bare: Path
    script: Greeter
    model: ModelServer
    forge: str = 'kind = "local"'
    repo: str = ""
    database: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def checkout(self) -> Path:
        """The owner's checkout."""
        return self.at / "checkout"

    @property
    def state(self) -> Path:
        """The state_dir."""
        return self.at / "state"

    def configure(
        self, *, checks: tuple[str, ...] = ("python3 check.py",), project: str = "", more: str = ""
    ) -> None:
        """Write pimainteno.toml."""
        (self.at / "pimainteno.toml").write_text(
            f'state_dir = "{self.state}"\ndatabase_url = "{self.database}"\n{more}\n'
            f'[codex]\nbase_url = "{self.model.base_url}"\napi_key = "{SECRET}"\n'
            "[worker]\nlease_s = 1.5\nsweep_s = 0.5\n"
            "[limits]\nproposals_per_hour = 0\n"
            f"[forges.here]\n{self.forge}\n"
            f'[projects.greeter]\nforge = "here"\nrepo = "{self.repo or self.bare}"\n'
            f'path = "{self.checkout}"\nunits = ["greeter.service"]\n'
            f"checks = {json.dumps(checks)}\n{project}\n"
        )

    def argv(self, *argv: str) -> list[str]:
        """Return a command line of ours."""
        return [sys.executable, "-m", "app.cli", "--config", str(self.at / "pimainteno.toml"), *argv]

    def start(self, *argv: str, program: list[str] | None = None) -> subprocess.Popen[bytes]:
        """Start a long-lived process; its output goes to a log file of its own."""
        log = (self.at / f"{argv[0]}-{len(self.processes)}.log").open("ab")
        with log:
            process = subprocess.Popen(
                [*(program or self.argv()), *argv],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    async def run(self, *argv: str, stdin: bytes | None = None) -> tuple[int, str, str]:
        """Run a command to its end and return its exit code, output and errors."""
        process = await asyncio.create_subprocess_exec(
            *self.argv(*argv),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate(stdin)
        return process.returncode or 0, out.decode(), err.decode()

    async def fail(self, *more: str, log: str = greeter.LOG) -> tuple[int, str, str]:
        """Report the failure as a person would."""
        return await self.run(
            "fix", "greeter", "--unit", "greeter.service", "--log", "-", *more, stdin=log.encode()
        )

    async def proposals(self) -> list[dict[str, Any]]:
        """Return what `proposals --all --json` prints."""
        code, out, err = await self.run("proposals", "--all", "--json")
        assert code == 0, err
        listed: list[dict[str, Any]] = json.loads(out)
        return listed

    async def history(self) -> list[dict[str, Any]]:
        """Return what `history --json` prints."""
        code, out, err = await self.run("history", "--json")
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    async def until_state(self, *states: str) -> dict[str, Any]:
        """Wait until the one proposal has one of these states."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = await self.proposals()
            if found and found[0]["state"] in states:
                return found[0]
            await asyncio.sleep(0.1)
        raise AssertionError(f"no proposal became {states}: {await self.proposals()}\n{self.logs()}")

    async def until_event(self, kind: str) -> dict[str, Any]:
        """Wait until the history has an event of that kind."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if found := [event for event in await self.history() if event["kind"] == kind]:
                return found[-1]
            await asyncio.sleep(0.1)
        raise AssertionError(f"no {kind}: {await self.history()}\n{self.logs()}")

    def branches(self) -> dict[str, str]:
        """Return the branches of the owner's repository with their commits."""
        lines = greeter.git(
            "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads", at=self.bare
        )
        return dict(line.split(" ") for line in lines.splitlines())

    def column(self, query: str) -> str:
        """Return the first column of the first row of a query."""
        if self.database:
            with closing(psycopg.connect(self.database)) as server:
                return str(server.execute(query.encode()).fetchone()[0])  # type: ignore[index]
        with closing(sqlite3.connect(f"file:{self.state}/pimainteno.sqlite3?mode=ro", uri=True)) as database:
            return str(database.execute(query).fetchone()[0])

    def logs(self) -> str:
        """Return all that the processes printed."""
        return "".join(f"== {file.name}\n{file.read_text()}" for file in sorted(self.at.glob("*.log")))

    @staticmethod
    def free_port() -> int:
        """Return a port that nobody listens on."""
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            return int(listening.getsockname()[1])

    def stop(self) -> None:
        """End every process that was started here, the gentle way first."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@asynccontextmanager
async def a_house(place: Path) -> AsyncIterator[House]:
    """Make a house with the greeter project in it."""
    script = Greeter()
    async with ModelServer(script) as model:
        house = House(place, greeter.make(place), script, model)
        house.configure()
        try:
            yield house
        finally:
            await asyncio.to_thread(house.stop)


@pytest.fixture
async def house(place: Path) -> AsyncIterator[House]:
    """An installation that looks after the greeter; nothing runs yet."""
    async with a_house(place) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_leftovers(place: Path) -> Iterator[None]:
    """No process of the house is left when its test ends."""
    yield
    deadline = time.monotonic() + 10
    while left := _using(place):
        assert time.monotonic() < deadline, f"still running: {left}"


def _using(place: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(place) in line:
                found.append(line)
    return found

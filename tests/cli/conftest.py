"""The command as its users run it: `pimainteno` as a process, with a state_dir and Redis of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from arq.connections import create_pool

from app.commands.following import until
from app.core import redis
from app.core.models import Kind, Proposal
from app.core.queue import Bell, Queue, deserialize, redis_settings
from app.core.reports import Failure
from app.core.settings import load
from app.store import deliveries, events, incidents, proposals
from app.store.database import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from arq.connections import ArqRedis
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.core.settings import Settings

PROGRAM = Path(sys.executable).with_name("pimainteno")
PATIENCE_S = 60
CONFIGURATION = """\
state_dir = "{state}"
redis_url = "{redis}"
[web]
port = 0
[watch]
ticks = false
[forges.here]
kind = "local"
[projects.greeter]
forge = "here"
repo = "{state}/greeter.git"
units = ["greeter.service", "greeter-*.timer"]
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """`pimainteno --config …/pimainteno.toml`, in a folder of its own."""

    home: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.home / "pimainteno.toml"

    def configure(self, more: str = "", *, redis_url: str = "") -> Settings:
        """Write the configuration and return it as the program sees it."""
        text = CONFIGURATION.format(state=self.home / "state", redis=redis_url)
        self.config.write_text(text + more)
        return load(self.config, env={})

    @property
    def env(self) -> Mapping[str, str]:
        """A person's environment, and nothing that configures PiMainteno."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIMAINTENO_")}
        return {**kept, "HOME": str(self.home), "COLUMNS": "100"}

    def start(
        self, *arguments: str, config: bool = True, stdin: int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """Start a command with pipes; `stdin` may be a terminal."""
        given = ["--config", str(self.config)] if config else []
        process = subprocess.Popen(
            [str(PROGRAM), *given, *arguments],
            cwd=self.home,
            env=self.env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.running.append(process)
        return process

    async def ends(self, process: subprocess.Popen[bytes], *, stdin: bytes | None = None) -> Ended:
        """Wait for a command's end."""
        out, err = await asyncio.to_thread(process.communicate, stdin, PATIENCE_S)
        return Ended(process.returncode, out.decode(), err.decode())

    async def run(self, *arguments: str, stdin: bytes | None = None, config: bool = True) -> Ended:
        """Run a command to its end."""
        return await self.ends(self.start(*arguments, config=config), stdin=stdin)

    def stop(self) -> None:
        """End what still runs."""
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


@pytest.fixture
def command(place: Path) -> Iterator[Command]:
    """The command with a configuration of one project, and an embedded Redis."""
    made = Command(place)
    made.configure()
    yield made
    made.stop()


@asynccontextmanager
async def redis_client(url: str) -> AsyncIterator[ArqRedis]:
    """Give a client of a Redis."""
    client = await create_pool(redis_settings(url))
    try:
        yield client
    finally:
        await client.aclose()


async def queued(url: str) -> list[dict[str, object]]:
    """Return the reports that are queued, as they travel."""
    async with redis_client(url) as client:
        ids = await client.zrange(Queue.REPORTS, 0, -1)
        raw = [await client.get(b"arq:job:" + each) for each in ids]
    return [deserialize(each)["a"][0] for each in raw if each]


@dataclass
class Worker:
    """Plays the worker by hand: takes reports from the real Redis and writes rows to the real store."""

    settings: Settings
    store: Store
    bell: Bell
    url: str

    async def alive(self) -> None:
        """Give the sign of life that a worker of each queue gives."""
        async with redis_client(self.url) as client:
            for queue in Queue:
                await client.set(f"{queue}:health-check", "here")

    async def reports(self) -> list[dict[str, object]]:
        """Return the reports that are queued, as they travel."""
        return await queued(self.url)

    async def report(self) -> dict[str, object]:
        """Wait for a report."""
        async with asyncio.timeout(PATIENCE_S):
            await until(self.reports)
        return (await self.reports())[0]

    async def take_in(self, message: Mapping[str, object]) -> Proposal:
        """Do what intake does with a failure: an incident, a proposal, an answer to the report."""
        failure = Failure.model_validate(message)
        async with self.store.write() as tx:
            incident = await incidents.record(tx, failure, fingerprint="f" * 64, version=1, log=failure.log)
            made = await proposals.create(
                tx,
                project=failure.project,
                kind=Kind.FIX,
                branch=await proposals.free_branch(tx, failure.project, "pimainteno/fix/greeter-ffffffff"),
                title="Mend the greeter",
                incident=incident,
            )
            await events.append(tx, "run.started", "Run 1 started", project="greeter", proposal=made.id)
            await self.answer(tx, failure.id, "proposal", made.id)
        return made

    async def answer(self, tx: AsyncConnection, report_id: str, result: str, proposal_id: int | None) -> None:
        """Note what came of a report."""
        await deliveries.add(tx, "reports", report_id, "failure")
        await deliveries.done(tx, "reports", report_id, result=result, proposal_id=proposal_id)

    async def set(self, proposal: Proposal, **columns: object) -> None:
        """Change a proposal."""
        async with self.store.write() as tx:
            await proposals.update(tx, proposal.id, **columns)

    async def event(self, text: str, *, proposal: int | None = None, project: str = "greeter") -> None:
        """Write a line of history."""
        async with self.store.write() as tx:
            await events.append(tx, "run.finished", text, project=project, proposal=proposal)


@pytest.fixture
async def worker(command: Command) -> AsyncIterator[Worker]:
    """A worker that the test plays, alive, with Redis and the store open."""
    settings = load(command.config, env={})
    async with AsyncExitStack() as held:
        store = await held.enter_async_context(Store.opened(settings.database_url_effective))
        url = await held.enter_async_context(redis.running(settings))
        bell = await held.enter_async_context(Bell(url))
        played = Worker(settings, store, bell, url)
        await played.alive()
        yield played

"""A project with an owner's repository, the publisher's mirror of it, settings to change, and a seat."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from app.core.models import Kind, Lease, NewJob
from app.core.queue import Queue
from app.core.redact import Redactor
from app.core.settings import load
from app.store import jobs, proposals, runs
from app.store.database import Store
from tests.doubles.origin import Origin, made
from tests.doubles.seat import seated
from worker.context import Work
from worker.git import commands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.core.models import Run
    from tests.doubles.seat import Seat

PROJECT = "greeter"
FILES: dict[str, bytes | str] = {
    "greet.py": "print('helo')\n",
    "src/deep/one.txt": "1\n",
    "src/two.txt": "2\n",
}
NO_STORE: Any = None


@dataclass(frozen=True)
class Workshop:
    """What the agent's steps work with, without a database."""

    place: Path
    origin: Origin

    def work(self, **project: Any) -> Work:
        """Return a job's surroundings where the project has these settings."""
        lines = [f'state_dir = "{self.place / "state"}"', "[codex]", 'api_key = "the-model-key-0123456789"']
        lines += ["[forges.here]", 'kind = "local"', f"[projects.{PROJECT}]", 'forge = "here"']
        lines += [f'repo = "{self.origin.bare}"']
        lines += [f"{name} = {json.dumps(value)}" for name, value in project.items()]
        config = self.place / "pimainteno.toml"
        config.write_text("\n".join(lines) + "\n")
        settings = load(config, env={})
        lease = Lease(job_id=1, owner="test", fence=1)
        return Work(settings, settings.paths, NO_STORE, Redactor(settings.secrets()), lease)

    async def commit(self, files: dict[str, bytes | str] | None = None) -> str:
        """Commit as the owner does, and fetch it as the publisher does."""
        self.origin.commit(files)
        return await self.fetch()

    async def fetch(self) -> str:
        """Fetch as the publisher does, and return the commit of the main branch."""
        work = self.work()
        git, mirror = commands.ours(work.settings), work.paths.mirror(PROJECT)
        await commands.clone_bare(git, self.origin.url, mirror)
        await commands.fetch(git, self.origin.url, mirror, ["+refs/heads/*:refs/heads/*"])
        return (await commands.ls_remote(git, self.origin.url))["refs/heads/main"]


@pytest.fixture
async def shop(place: Path) -> Workshop:
    return Workshop(place, made(place / "owner"))


@pytest.fixture
async def head(shop: Workshop) -> str:
    return await shop.commit(FILES)


@pytest.fixture
async def work(place: Path) -> AsyncIterator[Work]:
    """A job's surroundings with a real store, and its lease."""
    config = place / "pimainteno.toml"
    config.write_text(
        f'state_dir = "{place}/state"\n[codex]\ndaily_token_limit = 100000\ntoken_limit = 1000\n'
    )
    settings = load(config, env={})
    async with Store.opened(settings.database_url_effective) as store:
        async with store.write() as tx:
            job = await jobs.add(tx, NewJob(queue=Queue.AGENT, name="repair", args={"run_id": 1}))
            taken = await jobs.take(tx, job.id, owner="me", lease_s=60)
        assert taken is not None
        yield Work(settings, settings.paths, store, Redactor(()), taken[1])


@pytest.fixture
async def seat() -> AsyncIterator[Seat]:
    async with seated() as ready:
        yield ready


async def a_run(work: Work, kind: Kind = Kind.FIX) -> Run:
    """Add a proposal and return its run."""
    async with work.store.write() as tx:
        proposal = await proposals.create(tx, project="greeter", kind=kind, branch="b", title="t")
        return await runs.create(tx, proposal)

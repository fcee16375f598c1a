"""A real seat for the agent: settings from a file, a git worktree, a box; all but the database.

Also a process of its own to kill: `python -m tests.doubles.seat CONFIG plain|codex MARK`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core import process
from app.core.changes import Answer
from app.core.models import Lease
from app.core.redact import Redactor
from app.core.settings import load
from app.demo.model import ModelServer
from worker.agent import codex, sandbox
from worker.agent.codex_config import Retries
from worker.context import Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.demo.model import Script
    from worker.agent.codex import Reply

PROJECT = "greeter"
QUICK = Retries(request=0, stream=0)
NO_STORE: Any = None


@dataclass(frozen=True)
class Place:
    path: Path
    clone: Path


@dataclass(frozen=True)
class Seat:
    """A worktree of a project with one committed file, and what the agent's steps are given."""

    root: Path
    config: Path
    work: Work
    tree: Place

    async def run(self, command: str, *, network: bool = False, writable: bool = True) -> process.Finished:
        """Run a shell command in a box of its own."""
        async with sandbox.box(self.work, PROJECT) as box:
            argv = sandbox.command(
                self.work, box, ["/bin/sh", "-c", command], tree=self.tree, network=network, writable=writable
            )
            return await process.run(argv, env=sandbox.environment(box), timeout_s=20, merge=True)

    async def ask(
        self,
        *,
        prompt: str = "Mend it.",
        writable: bool = True,
        resume: str | None = None,
        retries: Retries = QUICK,
    ) -> Reply[Answer]:
        """Ask the model in a box of its own."""
        async with sandbox.box(self.work, PROJECT) as box:
            return await codex.ask(
                self.work,
                PROJECT,
                self.tree,
                box,
                prompt=prompt,
                answer=Answer,
                writable=writable,
                resume=resume,
                retries=retries,
            )


@asynccontextmanager
async def seated(**codex_settings: Any) -> AsyncIterator[Seat]:
    """Make a seat outside /tmp, where a state folder does not belong, and remove it afterwards."""
    root = Path(tempfile.mkdtemp(prefix="pimainteno-", dir="/var/tmp"))
    try:
        yield await _made(root, codex_settings)
    finally:
        await sandbox.remove(root)


@asynccontextmanager
async def with_model(script: Script, **codex_settings: Any) -> AsyncIterator[tuple[Seat, ModelServer]]:
    """Make a seat whose model follows a script."""
    async with ModelServer(script) as server, seated(base_url=server.base_url, **codex_settings) as seat:
        yield seat, server


def at(config: Path) -> Seat:
    """Return the seat that a configuration file describes; its folders are there."""
    settings = load(config, env={})
    lease = Lease(job_id=1, owner="test", fence=1)
    work = Work(settings, settings.paths, NO_STORE, Redactor(settings.secrets()), lease)
    tree = Place(work.paths.worktree(PROJECT), work.paths.clone(PROJECT))
    return Seat(config.parent, config, work, tree)


async def git(*args: str, cwd: Path) -> str:
    """Run git as a person would, without any configuration of this machine."""
    env = process.environment(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", HOME=str(cwd))
    done = await process.run(
        ["git", "-c", "user.name=T", "-c", "user.email=t@t", *args], env=env, cwd=cwd, merge=True
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode().strip()


async def _made(root: Path, codex_settings: dict[str, Any]) -> Seat:
    checkout = root / "checkout"
    secret = root / "key.txt"
    secret.write_text(f"the-model-key-{uuid.uuid4().hex}")
    keys = {"api_key_file": str(secret), **codex_settings}
    lines = [f'state_dir = "{root / "state"}"', "[codex]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in keys.items()]
    lines += ["[forges.here]", 'kind = "local"', f"[projects.{PROJECT}]", 'forge = "here"']
    lines += [f'repo = "{root / "origin.git"}"', f'path = "{checkout}"', 'units = ["greeter.service"]']
    config = root / "pimainteno.toml"
    config.write_text("\n".join(lines) + "\n")
    checkout.mkdir()
    (checkout / "greet.py").write_text("print('hello')\n")
    seat = at(config)
    await _repository(seat, checkout)
    return seat


async def _repository(seat: Seat, checkout: Path) -> None:
    await git("init", "--quiet", "--initial-branch=main", cwd=checkout)
    await git("add", ".", cwd=checkout)
    await git("commit", "--quiet", "--message=Greet", cwd=checkout)
    seat.tree.clone.parent.mkdir(parents=True)
    await git("clone", "--quiet", "--bare", f"file://{checkout}", str(seat.tree.clone), cwd=checkout)
    await git("worktree", "add", "--quiet", "--detach", str(seat.tree.path), "HEAD", cwd=seat.tree.clone)


async def _alone(config: Path, kind: str, mark: str) -> None:
    seat = at(config)
    if kind == "plain":
        await seat.run(f"/bin/bash -c 'exec -a {mark} sleep 300'")
    else:
        await seat.ask(prompt=mark)


if __name__ == "__main__":
    asyncio.run(_alone(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))

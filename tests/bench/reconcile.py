"""Measure a look at a project with 500 open proposals: how many requests it takes, and how long.

Run `.venv/bin/python -m tests.bench.reconcile`; PROPOSALS=50 for a short one. A GitHub double has the pull
requests, the store their rows. The first look knows nothing yet, the second finds everything as it was,
and the third finds one proposal closed. Requests that GitHub answers with 304 do not count against its
limit. The time is nearly all the double's: each of its answers asks git how the branches stand.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from app.core.models import Kind, ProposalState
from app.core.redact import Redactor
from app.core.settings import Settings, load
from app.store import jobs, proposals
from app.store.database import Store
from app.store.migrate import upgrade
from tests.doubles.github import GitHub
from tests.doubles.origin import Origin, made
from worker.context import Work
from worker.publisher.poll import poll

PROPOSALS = int(os.environ.get("PROPOSALS", "500"))
REPO = "me/greeter"
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"


async def main() -> None:
    """Measure and print."""
    place = Path(tempfile.mkdtemp(prefix="pm-bench-", dir="/var/tmp"))
    try:
        origin = made(place / "owner")
        origin.commit({"app.py": "x\n"}, "begin")
        async with GitHub(place / "hub", repos={REPO: origin.bare}, token=TOKEN) as github:
            settings = _settings(place, github)
            upgrade(f"sqlite:///{place}/pimainteno.sqlite3")
            async with Store.opened(f"sqlite+aiosqlite:///{place}/pimainteno.sqlite3") as store:
                await _open(origin, github, store)
                print(
                    f"machine: {platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
                    f"Python {platform.python_version()}; {PROPOSALS} open proposals"
                )
                await _look(settings, store, github, "first")
                await _look(settings, store, github, "nothing new")
                github.close(REPO, 1)
                await _look(settings, store, github, "one closed")
    finally:
        shutil.rmtree(place)


def _settings(place: Path, github: GitHub) -> Settings:
    file = place / "pimainteno.toml"
    file.write_text(
        f'state_dir = "{place}/state"\n[forges.hub]\nkind = "github"\napi_url = "{github.url}"\n'
        f'token = "{TOKEN}"\n[projects.greeter]\nforge = "hub"\nrepo = "{REPO}"\nunits = ["a.service"]\n'
    )
    return load(file, env={})


async def _open(origin: Origin, github: GitHub, store: Store) -> None:
    for number in range(PROPOSALS):
        branch = f"pimainteno/fix/greeter-{number}"
        origin.git("checkout", "--quiet", "-B", "one", "main")
        sha = origin.commit({f"fix{number}.py": "x\n"}, f"fix {number}", to=branch)
        pull = github.open(REPO, branch, title=f"Fix {number}", by="me")
        async with store.write() as tx:
            row = await proposals.create(
                tx, project="greeter", kind=Kind.FIX, branch=branch, title=pull.title
            )
            await proposals.update(
                tx,
                row.id,
                state=ProposalState.OPEN,
                number=pull.number,
                url=pull.html_url,
                head_sha=sha,
                pushed=[sha],
            )


async def _look(settings: Settings, store: Store, github: GitHub, name: str) -> None:
    async with store.write() as tx:
        job = await jobs.poll(tx, "greeter")
        assert job is not None
        taken = await jobs.take(tx, job.id, owner="bench", lease_s=3600)
    assert taken is not None
    before, left, began = len(github.requests), github.quota.remaining, time.monotonic()
    work = Work(settings, settings.paths, store, Redactor(settings.secrets()), taken[1])
    await poll(work, project="greeter")
    seconds, asked = time.monotonic() - began, len(github.requests) - before
    async with store.write() as tx:
        await jobs.done(tx, taken[1])
        states = Counter(str(row.state) for row in await proposals.on_forge(tx, "greeter"))
    counted = left - github.quota.remaining
    print(f"{name}: {asked} requests, {counted} of them counted, in {seconds:.1f} s; {dict(states)}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

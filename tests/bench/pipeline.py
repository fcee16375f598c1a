"""Measure the main job against the bare script that a user would write for it (tests/bench/bare.py).

Run `.venv/bin/python -m tests.bench.pipeline`; ROUNDS=3 for a short one. On a repository of 3,000 files and
with a model that answers at once, ten rounds in turn: (a) a bash script with a git worktree, the same two
`codex exec` calls, a commit and a push; (b) PiMainteno, from the report in Redis to the open proposal. No
checks. Then the same on GitHub: the tests' double in a process of its own, git over its HTTP, and one POST
more for the script. Prints medians, the ratio, the stages, and the resident memory after that.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import httpx
import psutil

from app.core.queue import Bell
from app.core.reports import Failure
from app.demo.model import ModelServer, fields, message, outputs, patch
from tests.bench import bare
from tests.doubles.github import GitHub
from tests.e2e import greeter
from tests.e2e.conftest import House

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.demo.model import Item, Request

T = TypeVar("T")
FILES = 3000
ROUNDS = int(os.environ.get("ROUNDS", "10"))
IDLE_S = 5
APART_S = 1.5
"""Between rounds, once all of the last one is done: failures in turn, not a flood, which would be paced."""
REPO = "me/greeter"
UNDER_WAY = "select count(*) from jobs where state in ('queued', 'running') and not_before <= {}"
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"


class Instant:
    """A model that answers at once; each round's patch and summary differ, so nothing is cached."""

    round = 0

    def reply(self, request: Request) -> list[Item]:
        """Patch, then answer."""
        if "codex_md" in fields(request):
            return [message({"changed": True, "codex_md": f"# greeter\n\nRound {self.round}.\n"})]
        if not outputs(request):
            change = "*** Begin Patch\n*** Add File: round.py\n+ROUND = {}\n*** End Patch"
            return [patch(change.format(self.round))]
        return [message({**greeter.ANSWER, "title": f"Round {self.round}"})]


async def main() -> None:
    """Measure and print, on the local forge and then on GitHub."""
    print(
        f"machine: {platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}"
    )
    print(f"repository: {FILES} files; {ROUNDS} rounds in turn; a model that answers at once; no checks")
    for forge in ("local", "github"):
        place = Path(tempfile.mkdtemp(prefix="pm-bench-", dir="/var/tmp"))
        try:
            await _on(forge, place)
        finally:
            shutil.rmtree(place)


async def _on(forge: str, place: Path) -> None:
    script = Instant()
    async with ModelServer(script) as model:
        house = _house(place, model)
        try:
            if forge == "local":
                await _measure(house, script, origin=str(house.bare), github={})
                return
            with _github(place) as url:
                house.repo, house.forge = REPO, f'kind = "github"\napi_url = "{url}"\ntoken = "{TOKEN}"'
                _configure(house)
                origin = f"{url.replace('//', f'//x-access-token:{TOKEN}@')}/{REPO}.git"
                github = {"API": url, "REPO": REPO, "TOKEN": TOKEN}
                await _measure(house, script, origin=origin, github=github)
                house.stop()
        finally:
            house.stop()


def _house(place: Path, model: ModelServer) -> House:
    files = {
        f"package{i % 60}/module{i}.py": f'"""Module {i}."""\n\nVALUE = {i}\n' * 5 for i in range(FILES - 3)
    }
    house = House(place, greeter.make(place, files | greeter.FILES), greeter.Greeter(), model)
    _configure(house)
    return house


def _configure(house: House) -> None:
    """Write the tests' configuration, but with the program's own lease and sweep, and without limits."""
    house.configure(checks=(), more="[web]\nlogin = false\n")
    file = house.at / "pimainteno.toml"
    text = file.read_text().replace("[worker]\nlease_s = 1.5\nsweep_s = 0.5\n", "")
    file.write_text(text.replace("[limits]\n", "[limits]\nopen_proposals = 1000\n"))


@contextmanager
def _github(place: Path) -> Iterator[str]:
    """Run the double apart, as GitHub is: it takes no time from either's process, and may find faults."""
    argv = [sys.executable, "-m", "tests.bench.pipeline", "github", str(place)]
    double = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert double.stdout is not None
    try:
        yield double.stdout.readline().strip()
    finally:
        double.communicate()
        if double.returncode:
            raise RuntimeError("the double found requests that GitHub would not take")


def _be_github(place: Path) -> None:
    with GitHub(place / "hub", repos={REPO: place / "greeter.git"}, token=TOKEN) as github:
        print(github.url, flush=True)
        sys.stdin.read()


async def _measure(house: House, script: Instant, *, origin: str, github: Mapping[str, str]) -> None:
    house.start("worker")
    house.start("web")
    await _until(lambda: "worker ready" in house.logs())
    work = house.at / "bare"
    work.mkdir()
    bare_round = bare.script(work, origin=origin, model=house.model.base_url, github=github)
    theirs: list[float] = []
    ours: list[float] = []
    async with Bell(f"unix://{house.state}/redis/redis.sock") as bell:
        for number in range(ROUNDS + 1):  # the first round warms both up and is not counted
            script.round = number * 2
            theirs.append(await bare_round(number))
            script.round = number * 2 + 1
            ours.append(await _ours(house, bell, number))
            await _until(lambda: not _column(house, UNDER_WAY.format(time.time())))
            await asyncio.sleep(APART_S)
    await _visit(house)
    await asyncio.sleep(IDLE_S)
    print(f"\non {'GitHub (the double)' if github else 'the local forge'}:")
    _print(house, theirs[1:], ours[1:])


async def _ours(house: House, bell: Bell, number: int) -> float:
    # a failure of its own each round: another exit status is another fingerprint
    report = Failure(
        project="greeter", unit="greeter.service", host="bench", log=greeter.LOG, exit_status=str(number + 1)
    )
    started = time.time()
    await bell.failure(report)
    opened = f"select at from events where kind = 'proposal.opened' and proposal = {number + 1}"
    return await _until(lambda: _column(house, opened)) - started


def _column(house: House, query: str) -> float | None:
    with closing(sqlite3.connect(f"file:{house.state}/pimainteno.sqlite3?mode=ro", uri=True)) as database:
        row = database.execute(query).fetchone()
    return float(row[0]) if row else None


async def _until(found: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if value := found():
            return value
        await asyncio.sleep(0.02)
    raise TimeoutError("nothing came within a minute")


async def _visit(house: House) -> None:
    """Look at the pages, and let the web process use Redis, before its memory is read."""
    address = re.search(r"http://127\.0\.0\.1:\d+", house.logs())
    assert address, house.logs()
    async with httpx.AsyncClient(base_url=address[0]) as client:
        for path in ("/", "/proposals/1", "/api/v1/proposals", "/readyz"):
            (await client.get(path)).raise_for_status()


def _print(house: House, theirs: list[float], ours: list[float]) -> None:
    one, other = statistics.median(theirs), statistics.median(ours)
    print(f"bare script: {one * 1000:.0f} ms (from {min(theirs) * 1000:.0f} to {max(theirs) * 1000:.0f})")
    print(f"PiMainteno:  {other * 1000:.0f} ms (from {min(ours) * 1000:.0f} to {max(ours) * 1000:.0f})")
    print(f"ratio: {other / one:.2f}")
    for stage, seconds in _stages(house.logs()).items():
        print(f"  {stage}: {statistics.median(seconds) * 1000:.0f} ms")
    for process, name in zip(house.processes, ("worker", "web"), strict=True):
        print(f"resident memory of {name}: {psutil.Process(process.pid).memory_info().rss / 1e6:.0f} MB")


def _stages(logs: str) -> dict[str, list[float]]:
    stages: dict[str, list[float]] = {}
    for line in logs.splitlines():
        if (stage := re.search(r"\bstage=\W?(\w+)", line)) and (
            seconds := re.search(r"\bseconds=([\d.]+)", line)
        ):
            stages.setdefault(stage[1], []).append(float(seconds[1]))
    return stages


if __name__ == "__main__":
    if sys.argv[1:2] == ["github"]:
        _be_github(Path(sys.argv[2]))
    else:
        asyncio.run(main())

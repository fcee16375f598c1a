"""Measure the main job against the bare script that a user would write for it.

Run `.venv/bin/python -m tests.bench.pipeline`. On one repository of 3,000 files and with a model that
answers at once, ten rounds in turn: (a) a bash script with a git worktree, the same two `codex exec`
calls, a commit and a push; (b) PiMainteno, from the report in Redis to the open proposal. No checks.
Prints medians, the ratio, the stages, and the resident memory of web and worker after one job.
"""

from __future__ import annotations

import asyncio
import json
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
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import psutil

from app.core.models import Failure
from app.core.queue import Bell
from app.demo.model import ModelServer, fields, message, outputs, patch
from tests.e2e import greeter
from tests.e2e.conftest import House

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.demo.model import Item, Request

T = TypeVar("T")
FILES = 3000
ROUNDS = int(os.environ.get("ROUNDS", "10"))
IDLE_S = 5

BARE = r"""
set -euo pipefail
tree=$WORK/tree-$ROUND
git -C "$CLONE" fetch --quiet origin main
git -C "$CLONE" worktree add --quiet -b "bare/$ROUND" "$tree" FETCH_HEAD
"$CODEX" exec --json -C "$tree" -s workspace-write --output-schema "$WORK/fix.json" -o "$WORK/fix.out" - \
  <<<"The unit greeter.service failed in round $ROUND. Mend the code." >/dev/null 2>&1
"$CODEX" exec --json -C "$tree" -s read-only --output-schema "$WORK/summary.json" -o "$WORK/summary.out" - \
  <<<"Sum this project up for codex.md. Round $ROUND." >/dev/null 2>&1
python3 -c 'import json,sys; open(sys.argv[2],"w").write(json.load(open(sys.argv[1]))["codex_md"])' \
  "$WORK/summary.out" "$tree/codex.md"
git -C "$tree" add --all
git -C "$tree" -c user.name=Bare -c user.email=bare@example.org commit --quiet -m "Fix round $ROUND"
git -C "$tree" push --quiet origin "bare/$ROUND"
git -C "$CLONE" worktree remove --force "$tree"
"""
"""What PiMainteno is compared with; the last line is in neither's time."""

CODEX_CONFIG = """
model = "gpt-5.5"
model_provider = "pm"
approval_policy = "never"
web_search = "disabled"
[model_providers.pm]
name = "pm"
base_url = "{url}"
env_key = "PM_MODEL_KEY"
wire_api = "responses"
"""


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
    """Measure and print."""
    place = Path(tempfile.mkdtemp(prefix="pm-bench-", dir="/var/tmp"))
    try:
        script = Instant()
        async with ModelServer(script) as model:
            house = _house(place, model)
            try:
                await _measure(house, script)
            finally:
                house.stop()
    finally:
        shutil.rmtree(place)


def _house(place: Path, model: ModelServer) -> House:
    files = {
        f"package{i % 60}/module{i}.py": f'"""Module {i}."""\n\nVALUE = {i}\n' * 5 for i in range(FILES - 3)
    }
    house = House(place, greeter.make(place, files | greeter.FILES), greeter.Greeter(), model)
    house.configure(checks=(), more="[limits]\nopen_proposals = 1000")
    text = (place / "pimainteno.toml").read_text().replace("[limits]\nproposals_per_hour = 0\n", "")
    (place / "pimainteno.toml").write_text(
        text.replace("open_proposals = 1000", "open_proposals = 1000\nproposals_per_hour = 0").replace(
            "lease_s = 1.5\nsweep_s = 0.5", ""
        )
    )
    return house


async def _measure(house: House, script: Instant) -> None:
    house.start("worker")
    house.start("web")
    await _until(lambda: "worker ready" in house.logs())
    bell = Bell(f"unix://{house.state}/redis/redis.sock")
    bare_script = _bare(house)
    bare: list[float] = []
    ours: list[float] = []
    for number in range(ROUNDS + 1):  # the first round warms both up and is not counted
        script.round = number * 2
        bare.append(await bare_script(number))
        script.round = number * 2 + 1
        ours.append(await _ours(house, bell, number))
    await bell.close()
    await _visit(house)
    await asyncio.sleep(IDLE_S)
    _print(house, bare[1:], ours[1:])


def _bare(house: House) -> Callable[[int], Awaitable[float]]:
    import codex_cli_bin

    work = house.at / "bare"
    home = work / "codex"
    home.mkdir(parents=True)
    greeter.git("clone", "--quiet", str(house.bare), str(work / "clone"), at=house.at)
    (home / "config.toml").write_text(CODEX_CONFIG.format(url=house.model.base_url))
    for name, required in (("fix", list(greeter.ANSWER)), ("summary", ["changed", "codex_md"])):
        (work / f"{name}.json").write_text(json.dumps(_schema(required)))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "CODEX_HOME": str(home),
        "PM_MODEL_KEY": "none",
        "CODEX": str(codex_cli_bin.bundled_codex_path()),
        "WORK": str(work),
        "CLONE": str(work / "clone"),
    }

    async def once(number: int) -> float:
        *job, tidy = BARE.strip().splitlines()
        started = time.monotonic()
        await asyncio.to_thread(_bash, "\n".join(job), env | {"ROUND": str(number)})
        spent = time.monotonic() - started
        set_up = "\n".join(line for line in job if line.startswith(("set ", "tree=")))
        await asyncio.to_thread(_bash, f"{set_up}\n{tidy}", env | {"ROUND": str(number)})
        return spent

    return once


def _bash(script: str, env: dict[str, str]) -> None:
    subprocess.run(["bash", "-c", script], env=env, check=True, stdin=subprocess.DEVNULL)


def _schema(required: list[str]) -> dict[str, Any]:
    kinds = {"confidence": "number", "changed": "boolean"}
    return {
        "type": "object",
        "properties": {name: {"type": kinds.get(name, "string")} for name in required},
        "required": required,
        "additionalProperties": False,
    }


async def _ours(house: House, bell: Bell, number: int) -> float:
    # a failure of its own each round: another exit status is another fingerprint
    report = Failure(
        project="greeter", unit="greeter.service", host="bench", log=greeter.LOG, exit_status=str(number + 1)
    )
    started = time.time()
    await bell.failure(report)
    opened = await _until(lambda: _opened(house, number + 1))
    return opened - started


def _opened(house: House, proposal: int) -> float | None:
    with closing(sqlite3.connect(f"file:{house.state}/pimainteno.sqlite3?mode=ro", uri=True)) as database:
        query = "select at from events where kind = 'proposal.opened' and proposal = ?"
        row = database.execute(query, (proposal,)).fetchone()
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


def _print(house: House, bare: list[float], ours: list[float]) -> None:
    one, other = statistics.median(bare), statistics.median(ours)
    print(
        f"machine: {platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}"
    )
    print(f"repository: {FILES} files; {len(ours)} rounds in turn; a model that answers at once; no checks")
    print(f"bare script: {one * 1000:.0f} ms (from {min(bare) * 1000:.0f} to {max(bare) * 1000:.0f})")
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
    sys.exit(asyncio.run(main()))

"""The bare script that PiMainteno is compared with: what a user would write in bash for the main job."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

from tests.e2e import greeter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

BEGIN = r"""
set -euo pipefail
tree=$WORK/tree-$ROUND
"""
JOB = r"""
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
"""
POST = r"""
curl --silent --show-error --fail --output "$WORK/pull.json" "$API/repos/$REPO/pulls" \
  --header "Authorization: Bearer $TOKEN" --header "Accept: application/vnd.github+json" --json @- <<JSON
{"title": "Fix round $ROUND", "head": "bare/$ROUND", "base": "main", "body": "Mends greeter.", "draft": true}
JSON
"""
"""Its one request to GitHub: no look before, no labels after."""
TIDY = r"""
git -C "$CLONE" worktree remove --force "$tree"
"""
"""In neither's time."""

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


def script(
    work: Path, *, origin: str, model: str, github: Mapping[str, str]
) -> Callable[[int], Awaitable[float]]:
    """Make its clone of `origin` and return what does one round and returns its seconds.

    `github` holds API, REPO and TOKEN for the one POST; without them it ends with the push.
    """
    import codex_cli_bin

    home = work / "codex"
    home.mkdir(parents=True)
    greeter.git("clone", "--quiet", origin, str(work / "clone"), at=work)
    (home / "config.toml").write_text(CODEX_CONFIG.format(url=model))
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
        **github,
    }

    async def once(number: int) -> float:
        started = time.monotonic()
        await _bash(BEGIN + JOB + (POST if github else ""), env | {"ROUND": str(number)})
        spent = time.monotonic() - started
        await _bash(BEGIN + TIDY, env | {"ROUND": str(number)})
        return spent

    return once


async def _bash(text: str, env: dict[str, str]) -> None:
    argv = ["bash", "-c", text]
    await asyncio.to_thread(subprocess.run, argv, env=env, check=True, stdin=subprocess.DEVNULL)


def _schema(required: list[str]) -> dict[str, Any]:
    kinds = {"confidence": "number", "changed": "boolean"}
    return {
        "type": "object",
        "properties": {name: {"type": kinds.get(name, "string")} for name in required},
        "required": required,
        "additionalProperties": False,
    }

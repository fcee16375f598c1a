"""The main job, whole: a failure comes in, a proven proposal opens, and nothing leaks."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import psutil

from tests.e2e import greeter
from tests.e2e.conftest import SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.e2e.conftest import House

LEAKED = "sk-live-in-the-flow-0123456789abcdef"
HEADINGS = ["## What failed", "## Why", "## The change", "## Proof", "## codex.md", "## Run"]
PORT_LINE = re.compile(r"http://127\.0\.0\.1:(\d+)")


async def test_a_failure_becomes_a_proven_proposal(house: House) -> None:
    """The whole of it, through the command line, Redis, git, the Codex CLI and HTTP."""
    base = house.branches()["main"]
    before = _checkout(house.checkout)
    house.configure(
        more=f"[web]\nport = {house.free_port()}\n"
        f'[web.tokens.ci]\ntoken = "{SECRET}-web"\nrole = "administrator"'
    )
    house.start("worker")
    house.start("web")
    secret_line = f"Nov 23 03:12:43 pi greeter[812]: api_key={LEAKED}\n"

    async with _watching_command_lines() as argv:
        code, out, err = await house.fail("--wait", log=secret_line + greeter.LOG)
    assert code == 0, f"{out}\n{err}\n{house.logs()}"
    assert any("codex exec" in line for line in argv)
    url = out.strip().splitlines()[-1]
    assert url.endswith("/proposals/1")
    (proposal,) = await house.proposals()

    # the branch holds the fix and codex.md, on the base, and nothing else moved
    branch = proposal["branch"]
    assert re.fullmatch(r"pimainteno/fix/greeter\.service-[0-9a-f]{8}", branch)
    assert branch.endswith(proposal["fingerprint"][:8])
    assert house.branches() == {"main": base, branch: proposal["head_sha"]}
    changed = greeter.git("diff", "--name-only", base, branch, at=house.bare).splitlines()
    assert changed == ["codex.md", "greeter.py"]
    assert greeter.git("show", f"{branch}:codex.md", at=house.bare) == greeter.SUMMARY.strip()
    assert greeter.git("log", "-1", "--format=%P", branch, at=house.bare) == base
    message = greeter.git("log", "-1", "--format=%B", branch, at=house.bare)
    assert message.startswith(greeter.TITLE)
    assert message.strip().splitlines()[-1] == "Pimainteno-Run: 1"

    # what the command line and the interface tell is the same, and it is proven
    assert proposal["state"] == "open"
    assert proposal["title"] == greeter.TITLE
    assert proposal["count"] == 1
    assert [(c["before"], c["after"]) for c in proposal["checks"]] == [("fail", "pass")]
    assert "+# greeter" in proposal["codex_md_diff"]
    served = await _get(house, "/api/v1/proposals/1")
    assert served.json() == proposal
    page = await _get(house, "/proposals/1")
    listing = await _get(house, "/")
    assert greeter.TITLE in page.text
    assert greeter.TITLE in listing.text

    # the description has its headings in order and the proof in its table
    body = house.column("select body from proposals")
    assert [line for line in body.splitlines() if line.startswith("## ")] == HEADINGS
    assert re.search(r"\|\s*`python3 check\.py`\s*\|\s*fail\s*\|\s*pass\s*\|", body)
    assert "IndexError: list index out of range" in body
    assert "+# greeter" in body
    marker = json.loads(
        body.rsplit("<!-- pimainteno: ", 1)[1].removesuffix(" -->").strip().removesuffix("-->")
    )
    assert marker == {"proposal": 1, "run": 1, "fingerprint": proposal["fingerprint"]}

    # the same failure again costs no model call and only counts
    asked = len(house.model.requests)
    assert house.script.kinds == ["fix", "summarise"]
    again, out, err = await house.fail("--wait", "--host", "other")
    assert again == 0, err
    assert out.strip().splitlines()[-1] == url
    (proposal,) = await house.proposals()
    assert (proposal["count"], len(proposal["hosts"])) == (2, 2)
    assert len(house.model.requests) == asked
    assert len(house.branches()) == 2

    # the history tells it in order, the owner's checkout is as it was, and no secret is anywhere
    history = await house.history()
    kinds = (
        [event["kind"] for event in reversed(history)]
        if history[0]["id"] > history[-1]["id"]
        else [event["kind"] for event in history]
    )
    assert kinds == [
        "failure.seen", "incident.opened", "run.started", "run.finished", "proposal.opened", "failure.seen",
    ]  # fmt: skip
    assert _checkout(house.checkout) == before
    said = (
        json.dumps(house.model.requests) + json.dumps(history) + page.text + listing.text + served.text + body
    )
    for secret in (SECRET, LEAKED):
        assert secret not in said
        assert secret not in house.logs()
        assert secret not in "\n".join(argv)
        assert _files_with(secret, house.state) == []
        assert secret not in greeter.git("log", "--all", "-p", at=house.bare)
    assert house.model.headers[0]["authorization"] == f"Bearer {SECRET}"


async def test_a_fix_that_does_not_work_is_refused_and_kept(house: House) -> None:
    """After fails: no branch, no proposal in the forge, and the diff stays for people to see."""
    house.script.fix = greeter.FIX.replace('words[0] if words else "stranger"', "words[0]")
    house.start("worker")
    code, _, err = await house.fail("--wait")
    assert code == 1
    assert "python3 check.py" in err
    (proposal,) = await house.proposals()
    assert (proposal["state"], proposal["url"], proposal["number"]) == ("refused", None, None)
    assert [(c["before"], c["after"]) for c in proposal["checks"]] == [("fail", "fail")]
    assert list(house.branches()) == ["main"]
    assert "words = name.split()" in house.column("select diff from runs")
    code, _, _ = await house.fail("--wait")
    assert code == 1
    assert house.script.kinds == ["fix"]


async def test_what_is_not_a_code_bug_costs_no_model_call(house: House) -> None:
    house.start("worker")
    code, out, err = await house.fail("--wait", log="pi greeter: write names.txt: No space left on device\n")
    assert code == 3
    assert "the disk is full" in out + err
    assert house.model.requests == []
    assert list(house.branches()) == ["main"]


async def test_no_checks_make_a_draft_that_says_so(house: House) -> None:
    house.configure(checks=(), project="draft = false")
    house.start("worker")
    code, _, err = await house.fail("--wait")
    assert code == 0, err
    (proposal,) = await house.proposals()
    assert proposal["draft"] is True
    assert "no check" in house.column("select body from proposals").lower()


async def test_merging_and_closing_are_in_the_history(house: House) -> None:
    house.start("worker")
    assert (await house.fail("--wait"))[0] == 0
    base = house.branches()["main"]
    code, _out, err = await house.run("merge", "1")
    assert code == 0, err + house.logs()
    assert house.branches()["main"] != base
    assert greeter.git("show", "main:codex.md", at=house.bare) == greeter.SUMMARY.strip()
    (proposal,) = await house.proposals()
    assert proposal["state"] == "merged"
    (project,) = json.loads((await house.run("projects", "--json"))[1])
    assert (project["summary"], project["last_commit"]) == ("current", house.branches()["main"])
    kinds = {event["kind"] for event in await house.history()}
    assert {"operator.merge", "proposal.merged"} <= kinds
    assert (await house.run("close", "1"))[0] == 1
    code, _, _ = await house.run("scan", "greeter", "--wait")
    assert code == 3  # codex.md came with the fix and is current
    assert house.script.kinds == ["fix", "summarise"]


async def test_two_proposals_that_write_codex_md_can_both_be_merged(house: House) -> None:
    """The tick's and the fix's: whichever is merged first, the other's summary is written anew."""
    house.start("worker")
    assert (await house.run("scan", "greeter", "--wait"))[0] == 0
    house.script.summary = greeter.SUMMARY + "An empty line is a stranger.\n"
    assert (await house.fail("--wait"))[0] == 0
    assert (await house.run("merge", "1"))[0] == 0
    code, _, err = await house.run("merge", "2")
    assert code == 1
    assert "codex.md has changed on main: it is written anew" in err
    await house.until_event("proposal.updated")
    code, _, err = await house.run("merge", "2")
    assert code == 0, err + house.logs()
    assert "stranger" in greeter.git("show", "main:greeter.py", at=house.bare)
    assert greeter.git("show", "main:codex.md", at=house.bare) == house.script.summary.strip()
    assert house.script.kinds.count("fix") == 1
    assert list(house.branches()) == ["main"]


async def test_a_scan_adds_a_missing_summary(house: House) -> None:
    house.start("worker")
    code, _out, err = await house.run("scan", "greeter", "--wait")
    assert code == 0, err + house.logs()
    (proposal,) = await house.proposals()
    assert (proposal["kind"], proposal["branch"]) == ("summarise", "pimainteno/codex-md")
    changed = greeter.git("diff", "--name-only", "main", proposal["branch"], at=house.bare)
    assert changed == "codex.md"
    body = house.column("select body from proposals")
    assert [line for line in body.splitlines() if line.startswith("## ")] == ["## What", *HEADINGS[1:]]


def _checkout(path: Path) -> dict[str, tuple[bytes, float]]:
    files = [file for file in path.rglob("*") if file.is_file()]
    return {str(file): (file.read_bytes(), file.stat().st_mtime) for file in files}


async def _get(house: House, path: str) -> httpx.Response:
    port = PORT_LINE.search(house.logs()) or re.search(
        r"port = (\d+)", (house.at / "pimainteno.toml").read_text()
    )
    assert port is not None
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {SECRET}-web"}) as client:
        answer = await client.get(f"http://127.0.0.1:{port[1]}{path}")
    assert answer.status_code == 200, answer.text
    return answer


def _files_with(secret: str, folder: Path) -> list[str]:
    done = subprocess.run(["grep", "-rlaF", secret, str(folder)], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


@asynccontextmanager
async def _watching_command_lines() -> AsyncIterator[set[str]]:
    """Collect the command line of every process that is seen while inside."""
    seen: set[str] = set()

    async def look() -> None:
        while True:
            for process in psutil.process_iter(["cmdline"]):
                seen.add(" ".join(process.info["cmdline"] or ()))
            await asyncio.sleep(0.01)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()

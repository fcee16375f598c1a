"""The main job on GitHub: real pushes over HTTP, a pull request on the double, and how that can go wrong."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.doubles.github import Fault, GitHub
from tests.e2e import greeter
from tests.e2e.conftest import WAIT_S, a_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.e2e.conftest import House

REPO = "me/greeter"
LABELS = ["bug", "pimainteno", "pimainteno: fix", "risk: low"]
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
PULLS = r"/repos/me/greeter/pulls$"


@asynccontextmanager
async def on_github(place: Path, *, private: bool = True) -> AsyncIterator[tuple[House, GitHub]]:
    async with (
        a_house(place) as house,
        GitHub(place / "hub", repos={REPO: house.bare}, token=TOKEN, private=private) as github,
    ):
        house.repo = REPO
        house.forge = f'kind = "github"\napi_url = "{github.url}"\ntoken = "{TOKEN}"'
        house.configure(project='labels = ["pimainteno", "bug"]\nreviewers = ["octocat"]')
        yield house, github


async def test_a_failure_becomes_a_pull_request(place: Path) -> None:
    async with on_github(place) as (house, github):
        house.start("worker")
        code, out, err = await house.fail("--wait")
        assert code == 0, err + house.logs()
        (pull,) = github.pulls(REPO)
        (proposal,) = await house.proposals()
        assert out.strip().splitlines()[-1] == proposal["url"] == pull.html_url
        assert proposal["number"] == pull.number
        assert (pull.state, pull.draft, pull.head_ref) == ("open", True, proposal["branch"])
        assert pull.title == greeter.TITLE
        assert re.search(r"\|\s*`python3 check\.py`\s*\|\s*fail\s*\|\s*pass\s*\|", pull.body)
        assert "IndexError: list index out of range" in pull.body
        assert "+# greeter" in pull.body
        await _dressed(github, house)
        assert TOKEN not in house.logs() + json.dumps(await house.history())

        code, out, _ = await house.fail("--wait", "--host", "other")
        assert code == 0
        assert len(github.pulls(REPO)) == 1

        assert (await house.run("close", "1"))[0] == 0
        assert github.pulls(REPO)[0].state == "closed"


async def test_the_log_of_a_public_repository_stays_at_home(place: Path) -> None:
    async with on_github(place, private=False) as (house, github):
        house.start("worker")
        assert (await house.fail("--wait", "--host", "attic"))[0] == 0
        (pull,) = github.pulls(REPO)
        assert "IndexError: list index" not in pull.body.split("## Why")[0]
        assert "attic" not in pull.body


DOUBTFUL = {
    "done, then 502": Fault.server_error(502, after=True),
    "done, then cut": Fault.cut(after=True),
    "done, then HTML": Fault.html(502, after=True),
}
"""GitHub did it and did not say so: one look finds it, at once."""

PASSING = {
    "502": Fault.server_error(502),
    "cut": Fault.cut(),
    "HTML": Fault.html(502),
    "401": Fault.error(401, "Bad credentials"),
    "403": Fault.error(403, "Resource not accessible by personal access token"),
    "404": Fault.error(404, "Not Found"),
    "429": Fault.too_many(retry_after=1),
}
"""GitHub did nothing: the proposal waits and says why, and goes on when it is asked again."""


@pytest.mark.parametrize("name", DOUBTFUL)
async def test_an_answer_that_got_lost_leaves_one_pull_request(place: Path, name: str) -> None:
    async with on_github(place) as (house, github):
        github.fault("POST", PULLS, DOUBTFUL[name])
        house.start("worker")
        code, _, err = await house.fail("--wait")
        assert code == 0, err + house.logs()
        assert [pull.number for pull in github.pulls(REPO)] == [(await house.proposals())[0]["number"]]


async def test_each_trouble_that_passes_is_waited_for(place: Path) -> None:
    """All of them, one after another, on one proposal; a person's `retry` takes each wait's end forward."""
    async with on_github(place) as (house, github):
        for fault in PASSING.values():
            github.fault("POST", PULLS, fault)
        house.start("worker")
        assert (await house.fail())[0] == 0
        for number, name in enumerate(PASSING, 1):
            await until(partial(_tried, github, number), house)
            reason = await _waits(house, number)
            assert reason.startswith("Waiting: project greeter on forge here: "), (name, reason)
            if name != "429":  # its second is over by itself
                assert (await house.run("retry", "1"))[0] == 0
        proposal = await house.until_state("open")
        assert [pull.number for pull in github.pulls(REPO)] == [proposal["number"]]
        assert house.script.kinds == ["fix", "summarise"]


async def test_a_request_that_github_refuses_is_told_in_its_own_words(place: Path) -> None:
    async with on_github(place) as (house, github):
        github.fault("POST", PULLS, Fault.error(422, "Validation Failed: no new pulls on Sundays"))
        house.start("worker")
        code, _, err = await house.fail("--wait")
        assert code == 1
        assert "no new pulls on Sundays" in err


STEPS = [
    "worker.publisher.publish:commit",
    "worker.publisher.publish:push",
    "worker.git.commands:push",
    "worker.forges.github.forge:GitHubForge.look",
    "worker.forges.github.forge:GitHubForge.find",
    "worker.forges.github.forge:GitHubForge.open",
    "worker.publisher.publish:show",
    "worker.publisher.dressing:dress",
    "worker.forges.github.forge:GitHubForge.dress",
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.rpartition(".")[2])
async def test_a_killed_publisher_leaves_one_pull_request(place: Path, step: str, when: str) -> None:
    async with on_github(place) as (house, github):
        flag = house.at / "killed"
        deadly = [sys.executable, "-m", "tests.e2e.killer", step, when, str(flag), *house.argv()[3:]]
        victim = house.start("worker", program=deadly)
        code, _, err = await house.fail()
        assert code == 0, err
        assert await asyncio.to_thread(victim.wait, 60) == -signal.SIGKILL, house.logs()
        house.start("worker")
        proposal = await house.until_state("open")
        (pull,) = github.pulls(REPO)
        assert (pull.number, pull.head_ref) == (proposal["number"], proposal["branch"])
        assert sorted(house.branches()) == ["main", proposal["branch"]]
        kinds = [event["kind"] for event in await house.history()]
        assert kinds.count("proposal.opened") == 1, kinds
        await _dressed(github, house)


async def _dressed(github: GitHub, house: House) -> None:
    """Wait for what comes after the row says open."""

    def done() -> bool:
        (pull,) = github.pulls(REPO)
        return sorted(pull.labels) == LABELS and pull.reviewers == ["octocat"]

    await until(done, house)


async def _waits(house: House, times: int) -> str:
    """Wait until the history has said so often why it waits, and return what it said last."""
    deadline = time.monotonic() + WAIT_S
    while True:
        said = [event["text"] for event in await house.history() if event["kind"] == "proposal.waiting"]
        if len(said) >= times:
            return str(said[times - 1])
        assert time.monotonic() < deadline, house.logs()
        await asyncio.sleep(0.05)


def _tried(github: GitHub, times: int) -> bool:
    posts = [request.path for request in github.requests if request.method == "POST"]
    return sum(bool(re.search(PULLS, path)) for path in posts) == times


async def until(true: Callable[[], bool], house: House) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, house.logs()
        await asyncio.sleep(0.05)

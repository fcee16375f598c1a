"""The main job on GitLab: real pushes over HTTP, a merge request on the double, and how that can go wrong."""

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

from tests.doubles.gitlab import Fault, GitLab
from tests.e2e import greeter
from tests.e2e.conftest import WAIT_S, a_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.e2e.conftest import House

REPO = "me/tools/greeter"
TOKEN = "glpat-0123456789abcdefghij"
REQUESTS = r"/merge_requests$"


@asynccontextmanager
async def on_gitlab(place: Path, *, visibility: str = "private") -> AsyncIterator[tuple[House, GitLab]]:
    """Give a house and a GitLab under a path, with a project's token and its bot."""
    async with a_house(place) as house:
        repos = {REPO: house.bare}
        async with GitLab(place / "lab", repos=repos, at="/gitlab", visibility=visibility) as gitlab:
            gitlab.allow(TOKEN, "project_1_bot_0a1b2c", bot=True)
            house.repo = REPO
            house.forge = f'kind = "gitlab"\nurl = "{gitlab.url}"\ntoken = "{TOKEN}"'
            house.configure(project='labels = ["pimainteno", "bug"]\nreviewers = ["octocat"]')
            yield house, gitlab


async def test_a_failure_becomes_a_merge_request(place: Path) -> None:
    async with on_gitlab(place) as (house, gitlab):
        house.start("worker")
        code, out, err = await house.fail("--wait")
        assert code == 0, err + house.logs()
        (mr,) = gitlab.pulls(REPO)
        (proposal,) = await house.proposals()
        assert out.strip().splitlines()[-1] == proposal["url"] == mr.web_url
        assert proposal["number"] == mr.iid
        assert (mr.state, mr.draft, mr.source_branch) == ("opened", True, proposal["branch"])
        assert mr.title == f"Draft: {greeter.TITLE}"
        assert re.search(r"\|\s*`python3 check\.py`\s*\|\s*fail\s*\|\s*pass\s*\|", mr.description)
        assert "IndexError: list index out of range" in mr.description
        assert "+# greeter" in mr.description
        await _dressed(gitlab, house)
        assert TOKEN not in house.logs() + json.dumps(await house.history())

        code, out, _ = await house.fail("--wait", "--host", "other")
        assert code == 0
        assert len(gitlab.pulls(REPO)) == 1

        assert (await house.run("close", "1"))[0] == 0
        assert gitlab.pulls(REPO)[0].state == "closed"


@pytest.mark.parametrize("visibility", ["public", "internal"])
async def test_the_log_stays_at_home_where_others_can_read(place: Path, visibility: str) -> None:
    async with on_gitlab(place, visibility=visibility) as (house, gitlab):
        house.start("worker")
        assert (await house.fail("--wait", "--host", "attic"))[0] == 0
        (mr,) = gitlab.pulls(REPO)
        assert "IndexError: list index" not in mr.description.split("## Why")[0]
        assert "attic" not in mr.description


DOUBTFUL = {
    "done, then 502": Fault.server_error(502, after=True),
    "done, then cut": Fault.cut(after=True),
    "done, then HTML": Fault.html(502, after=True),
}
"""GitLab did it and did not say so: one look finds it, at once."""

PASSING = {
    "502": Fault.server_error(502),
    "maintenance": Fault.maintenance(page=True),
    "cut": Fault.cut(),
    "401": Fault.unauthorized(),
    "403": Fault.insufficient_scope(),
    "404": Fault.error(404, "404 Project Not Found"),
    "429": Fault.too_many(retry_after=10),
}
"""GitLab did nothing: the proposal waits and says why, and goes on when it is asked again."""


@pytest.mark.parametrize("name", DOUBTFUL)
async def test_an_answer_that_got_lost_leaves_one_merge_request(place: Path, name: str) -> None:
    async with on_gitlab(place) as (house, gitlab):
        gitlab.fault("POST", REQUESTS, DOUBTFUL[name])
        house.start("worker")
        code, _, err = await house.fail("--wait")
        assert code == 0, err + house.logs()
        assert [mr.iid for mr in gitlab.pulls(REPO)] == [(await house.proposals())[0]["number"]]


async def test_each_trouble_that_passes_is_waited_for(place: Path) -> None:
    """All of them, one after another, on one proposal; a person's `retry` takes each wait's end forward."""
    async with on_gitlab(place) as (house, gitlab):
        for fault in PASSING.values():
            gitlab.fault("POST", REQUESTS, fault)
        house.start("worker")
        assert (await house.fail())[0] == 0
        for number, name in enumerate(PASSING, 1):
            await until(partial(_tried, gitlab, number), house)
            reason = (await house.until_state("waiting"))["reason"]
            assert reason.startswith("project greeter on forge here: "), (name, reason)
            if name != "429":  # its seconds are over by themselves
                assert (await house.run("retry", "1"))[0] == 0
        proposal = await house.until_state("open")
        assert [mr.iid for mr in gitlab.pulls(REPO)] == [proposal["number"]]
        assert house.script.kinds == ["fix", "summarise"]


async def test_a_request_that_gitlab_refuses_is_told_in_its_own_words(place: Path) -> None:
    async with on_gitlab(place) as (house, gitlab):
        gitlab.fault("POST", REQUESTS, Fault.error(422, {"base": ["no new requests on Sundays"]}))
        house.start("worker")
        code, _, err = await house.fail("--wait")
        assert code == 1
        assert "no new requests on Sundays" in err


STEPS = [
    "worker.publisher.publish:commit",
    "worker.publisher.publish:push",
    "worker.git.commands:push",
    "worker.forges.gitlab.forge:GitLabForge.look",
    "worker.forges.gitlab.forge:GitLabForge.find",
    "worker.forges.gitlab.forge:GitLabForge.open",
    "worker.publisher.publish:show",
    "worker.publisher.dressing:dress",
    "worker.forges.gitlab.forge:GitLabForge.dress",
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.rpartition(".")[2])
async def test_a_killed_publisher_leaves_one_merge_request(place: Path, step: str, when: str) -> None:
    async with on_gitlab(place) as (house, gitlab):
        flag = house.at / "killed"
        deadly = [sys.executable, "-m", "tests.e2e.killer", step, when, str(flag), *house.argv()[3:]]
        victim = house.start("worker", program=deadly)
        code, _, err = await house.fail()
        assert code == 0, err
        assert await asyncio.to_thread(victim.wait, 60) == -signal.SIGKILL, house.logs()
        house.start("worker")
        proposal = await house.until_state("open")
        (mr,) = gitlab.pulls(REPO)
        assert (mr.iid, mr.source_branch) == (proposal["number"], proposal["branch"])
        assert sorted(house.branches()) == ["main", proposal["branch"]]
        kinds = [event["kind"] for event in await house.history()]
        assert kinds.count("proposal.opened") == 1, kinds
        await _dressed(gitlab, house)


async def _dressed(gitlab: GitLab, house: House) -> None:
    """Wait for what comes after the row says open."""

    def done() -> bool:
        (mr,) = gitlab.pulls(REPO)
        return {"bug", "pimainteno"} <= set(mr.labels) and list(mr.reviewers) == ["octocat"]

    await until(done, house)


def _tried(gitlab: GitLab, times: int) -> bool:
    posts = [request.path for request in gitlab.requests if request.method == "POST"]
    return sum(bool(re.search(REQUESTS, path)) for path in posts) == times


async def until(true: Callable[[], bool], house: House) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, house.logs()
        await asyncio.sleep(0.05)

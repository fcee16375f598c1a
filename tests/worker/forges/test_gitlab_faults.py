"""One merge request under each fault: the forge is asked, as the jobs do, until it stands."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.core.errors import ForgeError, ForgeRefusedError, ForgeWaitError
from tests.doubles.gitlab import Fault
from tests.worker.forges.conftest import BRANCH, DRAFT, PROJECT, REPO, REQUESTS, TOKEN, make
from worker.forges.pacer import Pacer

if TYPE_CHECKING:
    from tests.doubles.gitlab import GitLab
    from worker.forges.base import NewProposal, Remote
    from worker.forges.gitlab.forge import GitLabForge

ONE = r"/merge_requests/1$"
EXISTS = ["Another open merge request already exists for this source branch: !1"]

FAULTS = {
    "401": Fault.unauthorized(),
    "403": Fault.error(403, "403 Forbidden"),
    "403 scope": Fault.insufficient_scope(),
    "404": Fault.error(404, "404 Project Not Found"),
    "409 after": Fault.error(409, EXISTS, after=True),
    "423": Fault.error(423, "Locked"),
    "429 with a time": Fault.too_many(retry_after=5),
    "429 without": Fault.too_many(),
    "500": Fault.server_error(500),
    "500 after": Fault.server_error(500, after=True),
    "502 after": Fault.server_error(502, after=True),
    "maintenance": Fault.maintenance(),
    "maintenance page": Fault.maintenance(page=True),
    "cut": Fault.cut(),
    "cut after": Fault.cut(after=True),
    "HTML": Fault.html(502),
    "HTML after": Fault.html(502, after=True),
    "HTML 200": Fault.html(200),
    "HTML 200 after": Fault.html(200, after=True),
    "half": Fault(201, b'{"iid": 1, "web_url": ', {"Content-Type": "application/json"}),
}
NEW = replace(DRAFT, assignees=("octocat",))


class Clock:
    """A time of its own: waits pass at once."""

    def __init__(self) -> None:
        self.now = 0.0

    async def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forge(gitlab: GitLab, clock: Clock) -> GitLabForge:
    return make(gitlab, pace=Pacer(clock=lambda: clock.now, pause=clock.pause))


async def show(forge: GitLabForge, new: NewProposal) -> Remote:
    """Do what the publisher's job does in one try."""
    await forge.look()
    there = await forge.find(new.branch)
    return await (forge.open(new) if there is None else forge.update(there, new))


async def until_shown(forge: GitLabForge, clock: Clock, new: NewProposal) -> tuple[Remote, list[ForgeError]]:
    """Try as the jobs do, waiting as long as GitLab asks."""
    met: list[ForgeError] = []
    for _ in range(5):
        try:
            return await show(forge, new), met
        except ForgeRefusedError:
            raise
        except ForgeError as error:
            met.append(error)
            clock.now += error.after_s if isinstance(error, ForgeWaitError) else 60
    raise AssertionError(met)


@pytest.mark.parametrize("name", FAULTS)
async def test_opening_leaves_one_merge_request(
    forge: GitLabForge, gitlab: GitLab, clock: Clock, name: str
) -> None:
    gitlab.fault("POST", REQUESTS, FAULTS[name])
    remote, met = await until_shown(forge, clock, NEW)
    (mr,) = gitlab.pulls(REPO)
    assert (mr.iid, mr.state, mr.title) == (remote.number, "opened", f"Draft: {NEW.title}")
    assert len(met) == (0 if "after" in name else 1)
    assert all(str(error).startswith("project greeter on forge lab: ") for error in met)
    assert TOKEN not in str(met)
    assert sum(request.method == "POST" for request in gitlab.requests) == 1 + len(met)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("path", [REQUESTS, PROJECT, r"/personal_access_tokens/self$"])
async def test_looking_before_it_is_opened(
    forge: GitLabForge, gitlab: GitLab, clock: Clock, name: str, path: str
) -> None:
    gitlab.fault("GET", path, FAULTS[name])
    await until_shown(forge, clock, NEW)
    assert len(gitlab.pulls(REPO)) == 1


async def test_the_look_after_a_doubtful_answer_may_fail_too(
    forge: GitLabForge, gitlab: GitLab, clock: Clock
) -> None:
    gitlab.fault("POST", REQUESTS, Fault.cut(after=True))
    await forge.look()
    assert await forge.find(BRANCH) is None
    gitlab.fault("GET", REQUESTS, Fault.server_error(502))
    with pytest.raises(ForgeError):
        await forge.open(NEW)
    assert (await until_shown(forge, clock, NEW))[0].number == 1
    assert len(gitlab.pulls(REPO)) == 1


async def test_already_exists_is_success_only_after_a_look(
    forge: GitLabForge, gitlab: GitLab, clock: Clock
) -> None:
    await forge.look()
    gitlab.fault("POST", REQUESTS, Fault.error(409, EXISTS))
    with pytest.raises(ForgeError, match=r"409 .*already exists") as caught:
        await forge.open(NEW)  # GitLab says so, and there is none
    assert type(caught.value) is ForgeError
    assert gitlab.pulls(REPO) == []
    gitlab.open(REPO, BRANCH)
    gitlab.close(REPO, 1)
    gitlab.fault("POST", REQUESTS, Fault.error(409, EXISTS))
    with pytest.raises(ForgeError, match=r"409 .*already exists"):
        await forge.open(NEW)  # a closed one is not the one that GitLab means
    gitlab.reopen(REPO, 1)
    assert (await forge.open(NEW)).number == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("name", FAULTS)
async def test_bringing_it_up_to_date(
    forge: GitLabForge, gitlab: GitLab, clock: Clock, name: str, method: str
) -> None:
    await show(forge, NEW)
    gitlab.fault(method, ONE, FAULTS[name])
    await until_shown(forge, clock, replace(NEW, body="why, again"))
    (mr,) = gitlab.pulls(REPO)
    assert mr.description == "why, again"


DRESSING = [("GET", ONE), ("GET", r"/users$"), ("PUT", ONE)]
PASSING = ["401", "429 with a time", "500 after", "maintenance", "cut", "cut after", "HTML", "HTML 200 after"]


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize(("method", "path"), DRESSING)
async def test_dressing_is_done_once_whatever_happens(
    forge: GitLabForge, gitlab: GitLab, clock: Clock, method: str, path: str, name: str
) -> None:
    remote = await show(forge, NEW)
    gitlab.fault(method, path, FAULTS[name])
    with pytest.raises(ForgeError) as met:
        await forge.dress(remote, NEW)
    clock.now += getattr(met.value, "after_s", 60)
    assert await forge.dress(remote, NEW) == ()
    (mr,) = gitlab.pulls(REPO)
    assert (mr.labels, list(mr.reviewers), mr.assignees) == (
        ["needs a/look", "pimainteno"],
        ["octocat"],
        ["octocat"],
    )


LIMITS = {
    "a time": (Fault.too_many(17), 17),
    "no time": (Fault.too_many(), 60),
    "a time that is none": (Fault.too_many("soon"), 60),
    "a day": (Fault.too_many(999_999_999), 3600),
    "a reset": (Fault(429, b"Retry later\n"), 100),
    "maintenance with a time": (Fault(503, b"<html>", {"Retry-After": "30"}), 30),
}
"""What GitLab answers, and how many seconds that means."""


@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_says_how_long_to_wait_and_nothing_is_sent_until_then(
    forge: GitLabForge, gitlab: GitLab, clock: Clock, name: str
) -> None:
    fault, after_s = LIMITS[name]
    gitlab.quota.reset_at = time.time() + after_s  # stands in every answer
    gitlab.fault("POST", REQUESTS, fault)
    with pytest.raises(ForgeWaitError, match="a limit, so it is left alone") as caught:
        await forge.open(NEW)
    assert caught.value.after_s == pytest.approx(after_s, abs=5)
    with pytest.raises(ForgeWaitError, match="project greeter on forge lab: GitLab asked us to wait"):
        await forge.find(BRANCH)
    assert len(gitlab.requests) == 1
    clock.now += caught.value.after_s
    assert (await forge.open(NEW)).number == 1


async def test_a_whole_proposal_is_written_at_the_pace(
    forge: GitLabForge, gitlab: GitLab, clock: Clock
) -> None:
    await forge.dress(await show(forge, NEW), NEW)
    writes = [each.method for each in gitlab.requests if each.method != "GET"]
    assert writes == ["POST", "PUT"]
    assert clock.now == len(writes) - 1.0

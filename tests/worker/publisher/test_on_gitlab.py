"""A proposal on GitLab: one merge request, dressed after the row says open, and people's decisions there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from app.core import process
from app.core.models import ProposalState
from app.store import jobs
from tests.doubles.gitlab import Fault, GitLab
from tests.worker.publisher.conftest import FIXED
from worker.forges import pacer
from worker.forges.gitlab import forge as gitlab_forge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.models import Job
    from tests.worker.publisher.conftest import House

REPO = "me/tools/greeter"
TOKEN = "glpat-0123456789abcdefghij"
REQUESTS = r"/merge_requests$"
CHECKS = 'checks = ["pytest -q"]\n'


@pytest.fixture
async def gitlab(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GitLab]:
    monkeypatch.setattr(pacer, "PACE_S", 0.0)
    repos = {REPO: house.origin.bare}
    async with GitLab(house.at / "lab", repos=repos, token=TOKEN, at="/gitlab") as gitlab:
        house.repo = REPO
        house.forge = f'kind = "gitlab"\nurl = "{gitlab.url}"\ntoken = "{TOKEN}"'
        house.configure(project=CHECKS + 'labels = ["pimainteno", "bug"]\nreviewers = ["octocat", "nobody"]')
        yield gitlab


def writes(gitlab: GitLab) -> list[tuple[str, str]]:
    asked = [(each.method, each.path) for each in gitlab.requests]
    return [(method, path) for method, path in asked if method != "GET" and path.startswith("/projects")]


async def test_the_row_says_open_before_the_merge_request_is_dressed(house: House, gitlab: GitLab) -> None:
    job = await house.ready()
    dress, *_ = await house.do(job)
    proposal, (mr,) = await house.proposal(), gitlab.pulls(REPO)
    assert (proposal.state, proposal.number) == (ProposalState.OPEN, mr.iid)
    assert (proposal.url, proposal.draft, mr.title) == (mr.web_url, True, f"Draft: {proposal.title}")
    assert (mr.labels, mr.reviewers) == ([], {})
    assert writes(gitlab) == [("POST", f"/projects/{REPO}/merge_requests")]
    assert await house.do(dress) == []
    (mr,) = gitlab.pulls(REPO)
    assert {"bug", "pimainteno"} <= set(mr.labels)
    assert list(mr.reviewers) == ["octocat"]
    (note,) = await house.events("proposal.updated")
    assert note.text == "Not taken by the forge: reviewer nobody: GitLab knows no such user"
    assert (await house.proposal()).state is ProposalState.OPEN
    await house.do(await house.again(dress))
    assert len(await house.events("proposal.updated")) == 1
    assert len(gitlab.pulls(REPO)) == 1


async def test_a_crash_after_the_row_says_open_still_dresses(house: House, gitlab: GitLab) -> None:
    job = await house.ready()
    await house.call(job)
    dress, *_ = await house.do(await house.again(job))
    await house.do(dress)
    assert {"bug", "pimainteno"} <= set(gitlab.pulls(REPO)[0].labels)
    assert len(gitlab.pulls(REPO)) == 1


async def _opened_unknown_to_us(house: House, monkeypatch: pytest.MonkeyPatch) -> Job:
    job = await house.ready()
    real = gitlab_forge.GitLabForge.open
    with monkeypatch.context() as patch:

        async def dies(*args: Any) -> None:
            await real(*args)
            raise KeyboardInterrupt

        patch.setattr(gitlab_forge.GitLabForge, "open", dies)
        with pytest.raises(KeyboardInterrupt):
            await house.call(job)
    return job


@pytest.mark.parametrize("end", ["closed", "merged"])
async def test_what_a_person_ended_there_is_never_opened_again(
    house: House, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    job = await _opened_unknown_to_us(house, monkeypatch)
    if end == "closed":
        gitlab.close(REPO, 1)
    else:
        gitlab.merge(REPO, 1)
    await house.do(await house.again(job))
    proposal = await house.proposal()
    assert (proposal.state, proposal.number) == (end, 1)
    assert len(gitlab.pulls(REPO)) == 1
    assert len(await house.events(f"proposal.{end}")) == 1
    assert (await house.incident()).state == ("resolved" if end == "merged" else "open")


async def test_close_and_open_again(house: House, gitlab: GitLab) -> None:
    await house.opened()
    await house.do(await house.ask("close"))
    assert gitlab.pulls(REPO)[0].state == "closed"
    await house.do(await house.ask("retry"))
    assert gitlab.pulls(REPO)[0].state == "opened"
    assert (await house.proposal()).state is ProposalState.OPEN


async def test_a_close_of_what_was_merged_there_says_merged(house: House, gitlab: GitLab) -> None:
    await house.opened()
    gitlab.merge(REPO, 1)
    await house.do(await house.ask("close"))
    assert (await house.proposal()).state is ProposalState.MERGED


async def test_a_description_far_over_githubs_limit_goes_through(house: House, gitlab: GitLab) -> None:
    (job,) = await house.fail(log="\n".join(f"/close error: <&*_`|> {number}" for number in range(3000)))
    await house.do(job)
    files = {"app.py": FIXED} | {f"a/{'_' * 90}{number}.py": "x\n" for number in range(90)}
    hunk = "@@ -1 +1 @@\n" + "".join(f"+```` {number}\n" for number in range(300))
    diff = "--- a/codex.md\n+++ b/codex.md\n" + hunk * 40
    await house.do(await house.made(1, dict(files), codex_md_diff=diff))
    (mr,) = gitlab.pulls(REPO)
    assert 20_000 < len(mr.description) <= 1 << 20
    fences = [line for line in mr.description.splitlines() if re.fullmatch(r"`{3,}(diff|text)?", line)]
    assert len(fences) % 2 == 0
    assert not re.search(r"^/", mr.description, re.MULTILINE)
    assert mr.description.rstrip().endswith("-->")


@pytest.mark.parametrize(
    ("fault", "after_s", "words"),
    [
        (Fault.unauthorized(), 600, "make a new token"),
        (Fault.insufficient_scope(), 600, "needs the scope api"),
        (Fault.error(403, "403 Forbidden"), 600, "role Developer"),
        (Fault.error(404, "404 Project Not Found"), 600, "there is no me/tools/greeter"),
        (Fault.maintenance(), 60, "maintenance"),
        (Fault.cut(), 60, "could not be reached"),
        (Fault.html(502), 60, "no JSON"),
        (Fault.too_many(retry_after=7), 7, "limit"),
        (Fault.too_many(), 60, "limit"),
    ],
)
async def test_what_passes_is_waited_for_without_counting(
    house: House, gitlab: GitLab, fault: Fault, after_s: float, words: str
) -> None:
    gitlab.fault("POST", REQUESTS, fault)
    job = await house.ready()
    assert await house.do(job) == []
    proposal = await house.proposal()
    assert proposal.state is ProposalState.WAITING
    assert (proposal.reason or "").startswith("project greeter on forge here: ")
    assert words in (proposal.reason or "")
    assert TOKEN not in (proposal.reason or "")
    async with house.store.read() as tx:
        assert (await jobs.get(tx, job.id)).attempts == 0
    assert gitlab.pulls(REPO) == []


async def test_a_refusal_is_final_and_in_gitlabs_words(house: House, gitlab: GitLab) -> None:
    gitlab.fault("POST", REQUESTS, Fault.error(422, {"base": ["no new requests on Sundays"]}))
    await house.do(await house.ready())
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    assert "no new requests on Sundays" in (proposal.reason or "")


async def test_a_protected_pattern_that_covers_our_branches_says_so(house: House, gitlab: GitLab) -> None:
    gitlab.protect(REPO, "pimainteno/*")
    await house.do(await house.ready())
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    assert "not allowed to push code to protected branches" in (proposal.reason or "")
    assert "pimainteno/*" in (proposal.reason or "")
    assert gitlab.pulls(REPO) == []


async def test_the_token_is_in_no_command_line_and_in_no_log(
    house: House, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []
    real = process.run

    async def seen(argv: list[str], **more: Any) -> Any:
        commands.append(argv)
        return await real(argv, **more)

    monkeypatch.setattr(process, "run", seen)
    gitlab.fault("POST", REQUESTS, Fault.unauthorized())
    job = await house.ready()
    await house.do(job)
    await house.do(await house.again(job))
    assert len(gitlab.pulls(REPO)) == 1
    assert any("push" in argv for argv in commands)
    assert TOKEN not in str(commands)
    assert TOKEN not in "".join(capfd.readouterr())
    assert TOKEN not in str(await house.events())

"""A proposal on GitHub: one pull request, dressed after the row says open, and people's decisions there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from app.core import process
from app.core.models import ProposalState
from app.store import jobs
from tests.doubles.github import Fault, GitHub
from tests.worker.publisher.conftest import FIXED
from worker.forges import pacer
from worker.forges.github import forge as github_forge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.models import Job
    from tests.worker.publisher.conftest import House

REPO = "me/greeter"
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
PULLS = r"/repos/me/greeter/pulls$"
LABELS = ["bug", "pimainteno", "pimainteno: fix", "risk: low"]
CHECKS = 'checks = ["pytest -q"]\n'


@pytest.fixture
async def github(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GitHub]:
    monkeypatch.setattr(pacer, "PACE_S", 0.0)
    async with GitHub(house.at / "hub", repos={REPO: house.origin.bare}, token=TOKEN) as github:
        house.repo = REPO
        house.forge = f'kind = "github"\napi_url = "{github.url}"\ntoken = "{TOKEN}"'
        house.configure(project=CHECKS + 'labels = ["pimainteno", "bug"]\nreviewers = ["octocat", "nobody"]')
        yield github


def writes(github: GitHub) -> list[tuple[str, str]]:
    asked = [(each.method, re.sub(r"^/api/v3", "", each.path)) for each in github.requests]
    return [(method, path) for method, path in asked if method != "GET" and path.startswith("/repos")]


async def test_the_row_says_open_before_the_pull_request_is_dressed(house: House, github: GitHub) -> None:
    job = await house.ready()
    dress, read = await house.do(job)
    assert (dress.name, read.name) == ("dress", "reconcile")
    proposal, (pull,) = await house.proposal(), github.pulls(REPO)
    assert (proposal.state, proposal.number) == (ProposalState.OPEN, pull.number)
    assert (proposal.url, proposal.draft) == (pull.html_url, True)
    assert (pull.labels, pull.reviewers) == ([], [])
    assert writes(github) == [("POST", f"/repos/{REPO}/pulls")]
    assert await house.do(dress) == []
    (pull,) = github.pulls(REPO)
    assert (sorted(pull.labels), pull.reviewers) == (LABELS, ["octocat"])
    (note,) = await house.events("proposal.updated")
    assert note.text.startswith("Not taken by the forge: reviewer nobody: ")
    assert (await house.proposal()).state is ProposalState.OPEN
    await house.do(await house.again(dress))
    assert len(await house.events("proposal.updated")) == 1
    assert len(github.pulls(REPO)) == 1


async def test_a_crash_after_the_row_says_open_still_dresses(house: House, github: GitHub) -> None:
    job = await house.ready()
    await house.call(job)
    dress, _ = await house.do(await house.again(job))
    await house.do(dress)
    assert sorted(github.pulls(REPO)[0].labels) == LABELS
    assert len(github.pulls(REPO)) == 1


async def test_the_row_says_what_the_forge_says_of_drafts(house: House, github: GitHub) -> None:
    github.fault("POST", PULLS, Fault.error(422, "Draft pull requests are not supported in this repository."))
    await house.do(await house.ready())
    assert (github.pulls(REPO)[0].draft, (await house.proposal()).draft) == (False, False)


async def _opened_unknown_to_us(house: House, monkeypatch: pytest.MonkeyPatch) -> Job:
    job = await house.ready()
    real = github_forge.GitHubForge.open
    with monkeypatch.context() as patch:

        async def dies(*args: Any) -> None:
            await real(*args)
            raise KeyboardInterrupt

        patch.setattr(github_forge.GitHubForge, "open", dies)
        with pytest.raises(KeyboardInterrupt):
            await house.call(job)
    return job


@pytest.mark.parametrize("end", ["closed", "merged"])
async def test_what_a_person_ended_there_is_never_opened_again(
    house: House, github: GitHub, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    job = await _opened_unknown_to_us(house, monkeypatch)
    if end == "closed":
        github.close(REPO, 1, by="octocat")
    else:
        github.merge(REPO, 1)
    assert await house.do(await house.again(job)) == []
    proposal = await house.proposal()
    assert (proposal.state, proposal.reason) == (end, f"{end} on the forge")
    assert proposal.number == 1
    assert len(github.pulls(REPO)) == 1
    assert len(await house.events(f"proposal.{end}")) == 1
    assert (await house.incident()).state == ("resolved" if end == "merged" else "open")


async def test_close_and_open_again(house: House, github: GitHub) -> None:
    await house.opened()
    await house.do(await house.ask("close"))
    assert github.pulls(REPO)[0].state == "closed"
    await house.do(await house.ask("retry"))
    assert github.pulls(REPO)[0].state == "open"
    assert (await house.proposal()).state is ProposalState.OPEN


async def test_a_close_of_what_was_merged_there_says_merged(house: House, github: GitHub) -> None:
    await house.opened()
    github.merge(REPO, 1)
    await house.do(await house.ask("close"))
    assert (await house.proposal()).state is ProposalState.MERGED


async def test_a_retry_of_a_closed_proposal_ends_with_one_open_pull_request(
    house: House, github: GitHub
) -> None:
    await house.opened()
    await house.do(await house.ask("close"))
    house.origin.commit({"other.py": "x = 1\n"}, "go on")
    (repair,) = await house.do(await house.ask("retry"))
    await house.do(repair)
    await house.do(await house.made(2))
    assert (await house.proposal()).state is ProposalState.OPEN
    assert [pull.state for pull in github.pulls(REPO)].count("open") == 1
    assert (await house.proposal()).number in [p.number for p in github.pulls(REPO) if p.state == "open"]


async def test_a_description_at_the_limit_goes_through(house: House, github: GitHub) -> None:
    (job,) = await house.fail(log="\n".join(f"error: <&*_`|> {number}" for number in range(3000)))
    await house.do(job)
    files = {"app.py": FIXED} | {f"a/{'_' * 90}{number}.py": "x\n" for number in range(90)}
    hunk = "@@ -1 +1 @@\n" + "".join(f"+```` {number}\n" for number in range(300))
    diff = "--- a/codex.md\n+++ b/codex.md\n" + hunk * 40
    await house.do(await house.made(1, dict(files), codex_md_diff=diff))
    (pull,) = github.pulls(REPO)
    assert 20_000 < len(pull.body) <= 65_536
    fences = [line for line in pull.body.splitlines() if re.fullmatch(r"`{3,}(diff|text)?", line)]
    assert len(fences) % 2 == 0
    assert pull.body.rstrip().endswith("-->")


@pytest.mark.parametrize(
    ("fault", "after_s", "words"),
    [
        (Fault.error(401, "Bad credentials"), 600, "make a new token"),
        (Fault.error(403, "Resource not accessible by personal access token"), 600, "read and write"),
        (Fault.error(404, "Not Found"), 600, "there is no me/greeter"),
        (Fault.server_error(503), 60, "tried again"),
        (Fault.cut(), 60, "could not be reached"),
        (Fault.html(502), 60, "no JSON"),
        (Fault.too_many(retry_after=7), 7, "limit"),
        (Fault.secondary_limit(), 60, "limit"),
    ],
)
async def test_what_passes_is_waited_for_without_counting(
    house: House, github: GitHub, fault: Fault, after_s: float, words: str
) -> None:
    github.fault("POST", PULLS, fault)
    job = await house.ready()
    assert await house.do(job) == []
    proposal = await house.proposal()
    assert proposal.state is ProposalState.WAITING
    assert (proposal.reason or "").startswith("project greeter on forge here: ")
    assert words in (proposal.reason or "")
    assert TOKEN not in (proposal.reason or "")
    async with house.store.read() as tx:
        assert (await jobs.get(tx, job.id)).attempts == 0
    assert github.pulls(REPO) == []


async def test_a_refusal_is_final_and_in_githubs_words(house: House, github: GitHub) -> None:
    github.fault("POST", PULLS, Fault.error(422, "Validation Failed: no new pulls on Sundays"))
    await house.do(await house.ready())
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    assert "no new pulls on Sundays" in (proposal.reason or "")


async def test_a_branch_that_is_not_ours_is_never_closed_there(house: House, github: GitHub) -> None:
    await house.opened()
    await house.set_proposal(branch="main")
    await house.do(await house.ask("close"))
    assert github.pulls(REPO)[0].state == "open"
    assert (await house.proposal()).state is ProposalState.OPEN


async def test_the_token_is_in_no_command_line_and_in_no_log(
    house: House, github: GitHub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []
    real = process.run

    async def seen(argv: list[str], **more: Any) -> Any:
        commands.append(argv)
        return await real(argv, **more)

    monkeypatch.setattr(process, "run", seen)
    github.fault("POST", PULLS, Fault.error(401, "Bad credentials"))
    job = await house.ready()
    await house.do(job)
    await house.do(await house.again(job))
    assert len(github.pulls(REPO)) == 1
    assert any("push" in argv for argv in commands)
    assert TOKEN not in str(commands)
    assert TOKEN not in "".join(capfd.readouterr())
    assert TOKEN not in str(await house.events())

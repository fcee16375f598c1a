"""The mirror, a run's start, and scans, on real repositories."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.core.base import now
from app.core.errors import GitError, Skipped
from app.core.models import Kind, ProposalState
from app.store import deliveries, projects
from worker.publisher import mirror as mirrors

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.core.models import Event, Job, ProjectView
    from tests.worker.publisher.conftest import House


async def view(house: House) -> ProjectView:
    async with house.store.read() as tx:
        (found,) = await projects.views(tx, house.settings)
    return found


async def test_a_start_gives_the_run_its_base(house: House) -> None:
    (job,) = await house.fail()
    (following,) = await house.do(job)
    tip = house.branches()["main"]
    assert (following.queue, following.name, following.args) == ("pimainteno:agent", "repair", {"run_id": 1})
    assert ((await house.run()).base_sha, (await house.proposal()).base_sha) == (tip, tip)
    assert (await view(house)).last_commit == tip
    mirror = house.settings.paths.mirror("greeter")
    assert house.origin.git(f"--git-dir={mirror}", "rev-parse", "refs/pimainteno/base/1") == tip


async def test_a_start_that_was_cut_off_goes_on(house: House) -> None:
    (job,) = await house.fail()
    await house.call(job)
    tip = (await house.run()).base_sha
    house.origin.commit({"x": "1"}, "moved")
    (again,) = await house.fail(log="error: something else")
    await house.set_run(2, base_sha=tip)
    (following,) = await house.call(again)
    assert following.name == "repair"
    assert (await house.run(2)).base_sha == tip


@pytest.mark.parametrize("config", ['branch = "release"', 'checks = ["pytest -q"]'])
async def test_the_branch_is_the_configured_or_the_default_one(house: House, config: str) -> None:
    release = house.origin.commit({"x": "1"}, "release", to="release")
    house.configure(project=config)
    (job,) = await house.fail()
    await house.do(job)
    wanted = release if "release" in config else house.branches()["main"]
    assert (await house.run()).base_sha == wanted


def _gone(house: House) -> None:
    shutil.rmtree(house.origin.bare)


def _empty(house: House) -> None:
    shutil.rmtree(house.origin.bare)
    house.origin.git("init", "--quiet", "--bare", str(house.origin.bare))


def _no_branch(house: House) -> None:
    house.configure(project='branch = "release"')


def _no_default(house: House) -> None:
    house.origin.git(f"--git-dir={house.origin.bare}", "symbolic-ref", "HEAD", "refs/heads/nowhere")


def _other_forge(house: House) -> None:
    house.configure(more='[forges.lab]\nkind = "gitlab"')
    text = (house.at / "pimainteno.toml").read_text().replace('forge = "here"', 'forge = "lab"')
    text = text.replace(f'repo = "{house.origin.bare}"', 'repo = "me/greeter"')
    (house.at / "pimainteno.toml").write_text(text)
    from app.core.settings import load

    house._settings = load(house.at / "pimainteno.toml", env={})


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_gone, ["greeter", "here", "project.git", "check"]),
        (_empty, ["greeter", "here", "empty", "push a first commit"]),
        (_no_branch, ["greeter", "here", "'release'", "main", "[projects.greeter] branch"]),
        (_no_default, ["greeter", "here", "default branch", "set [projects.greeter] branch"]),
        (_other_forge, ["greeter", "[forges.lab] has no token"]),
    ],
)
async def test_what_a_person_has_to_mend_fails_with_the_remedy(
    house: House, harm: Callable[[House], None], words: list[str]
) -> None:
    harm(house)
    (job,) = await house.fail()
    assert await house.do(job) == []
    proposal = await house.proposal()
    assert proposal.state is ProposalState.FAILED
    assert [word for word in words if word not in (proposal.reason or "")] == []
    assert (await house.events("run.finished"))[0].text == proposal.reason


async def test_network_trouble_is_tried_again(house: House) -> None:
    house.configure(project='clone_url = "http://127.0.0.1:9/greeter.git"')
    (job,) = await house.fail()
    assert await house.do(job) == []
    proposal = await house.proposal()
    assert proposal.state is ProposalState.WAITING
    assert "project greeter on forge here" in (proposal.reason or "")
    with pytest.raises(GitError):
        await house.call((await house.fail(log="error: other"))[0])


@pytest.mark.parametrize("harm", ["half-made", "no objects", "no HEAD", "empty folder"])
async def test_a_broken_mirror_is_made_anew(house: House, harm: str) -> None:
    (job,) = await house.fail()
    await house.do(job)
    mirror = house.settings.paths.mirror("greeter")
    tip = house.origin.commit({"x": "1"}, "more")
    if harm == "half-made":
        mirror.rename(mirror.with_name(f".{mirror.name}.new-123"))
    elif harm == "no objects":
        shutil.rmtree(mirror / "objects")
        (mirror / "objects").mkdir()
    elif harm == "no HEAD":
        (mirror / "HEAD").unlink()
    else:
        shutil.rmtree(mirror)
        mirror.mkdir()
    (again,) = await house.fail(log="error: other")
    (following,) = await house.do(again)
    assert following.name == "repair", (await house.proposal(2)).reason
    assert (await house.run(2)).base_sha == tip


async def test_the_same_code_is_not_tried_again(house: House) -> None:
    (job,) = await house.fail()
    await house.do(job)
    for _ in range(2):
        await house.set_proposal(
            state=ProposalState.FAILED, reason=(await house.proposal()).reason or "no fix"
        )
        run = (await house.run()).id
        async with house.store.read() as tx:
            from app.store import runs

            latest = await runs.latest(tx, 1)
        assert latest is not None
        run = latest.id
        await house.set_run(run, state="failed", finished_at=now() - timedelta(hours=2))
        (again,) = await house.fail()
        assert await house.do(again) == []
        proposal = await house.proposal()
        assert proposal.state is ProposalState.SKIPPED
        assert proposal.reason == "no fix" + "; the project has not changed since this was last tried"
    house.origin.commit({"codex.md": "# it\n"}, "only the summary")
    await house.set_run(3, finished_at=now() - timedelta(hours=2))
    assert await house.do((await house.fail())[0]) == []
    house.origin.commit({"app.py": "else\n"}, "the code")
    await house.set_run(4, finished_at=now() - timedelta(hours=2))
    assert len(await house.do((await house.fail())[0])) == 1


async def scanned(house: House, day: str) -> tuple[list[Job], Event, str]:
    (job,) = await house.tick(id=f"greeter:{day}")
    following = await house.do(job)
    async with house.store.read() as tx:
        found = await deliveries.get(tx, "reports", f"greeter:{day}")
    assert found is not None
    return following, (await house.events("scan.done"))[-1], found.result or ""


async def test_a_missing_summary_is_written(house: House) -> None:
    (following,), event, result = await scanned(house, "1")
    assert (following.queue, following.name, following.args) == ("pimainteno:agent", "repair", {"run_id": 1})
    proposal, run = await house.proposal(), await house.run()
    assert (proposal.kind, proposal.branch, proposal.title) == (
        Kind.SUMMARISE,
        "pimainteno/codex-md",
        "Add codex.md",
    )
    assert run.base_sha == proposal.base_sha == house.branches()["main"]
    assert (result, event.proposal, (await view(house)).summary) == ("proposal", 1, "missing")
    following_again, event, result = await scanned(house, "2")
    assert (following_again, result) == ([], "counted")
    assert "is working" in event.text


async def test_a_current_summary_is_left_alone(house: House) -> None:
    house.origin.commit({"codex.md": "# it\n"}, "summary")
    (following,), _, _ = await scanned(house, "1")
    assert (await house.proposal()).title == "Refresh codex.md"
    assert (await view(house)).summary == "outdated"
    await house.set_run(state="skipped")
    await house.set_proposal(state=ProposalState.SKIPPED)
    none, event, result = await scanned(house, "2")
    assert (none, result) == ([], "ignored: codex.md is current")
    assert event.text.endswith("codex.md is current")
    assert (await view(house)).summary == "current"
    house.origin.commit({"codex.md": "# it, better\n"}, "by hand")
    assert (await scanned(house, "3"))[0] == []
    house.origin.commit({"app.py": "new\n"}, "code")
    (following,), _, _ = await scanned(house, "4")
    assert following.args == {"run_id": 2}
    assert (await house.run(2)).proposal_id == 1  # nothing left the house yet: the same row goes on


async def test_a_closed_summary_stays_closed(house: House) -> None:
    await scanned(house, "1")
    await house.set_proposal(state=ProposalState.CLOSED)
    house.origin.commit({"app.py": "new\n"}, "code")
    none, event, result = await scanned(house, "2")
    assert none == []
    assert "pimainteno retry 1" in event.text
    assert result.startswith("ignored: ")
    await house.set_proposal(snoozed_until=now() - timedelta(days=1))
    await scanned(house, "3")
    assert (await house.proposal(2)).branch == "pimainteno/codex-md-2"


async def test_a_scan_that_was_cut_off_makes_one_run(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = await house.tick(id="t")

    async def killed(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as crash, pytest.raises(RuntimeError):
        crash.setattr(mirrors.Mirror, "keep", killed)
        await house.call(job)
    (following,) = await house.call(job)
    assert following.args == {"run_id": 1}
    assert (await house.proposal()).id == 1
    assert len(await house.events("scan.done")) == 1


async def test_skipped_is_raised_for_the_same_code(house: House) -> None:
    (job,) = await house.fail()
    await house.set_proposal(base_sha=house.branches()["main"], reason=None)
    with pytest.raises(Skipped, match="it ended without a proposal; the project has not changed"):
        await house.call(job)

"""A default branch that moves while a run is at work is followed, within reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core.models import ProposalState
from tests.worker.publisher.conftest import FIXED

if TYPE_CHECKING:
    from tests.worker.publisher.conftest import House

SUMMARY: dict[str, str | None] = {"app.py": FIXED, "codex.md": "# greeter\n"}


async def test_on_a_moved_base_the_checks_run_again(house: House) -> None:
    job = await house.ready(SUMMARY)
    tip = house.origin.commit({"other.py": "1\n"}, "moved")
    (again,) = await house.do(job)
    assert (again.queue, again.name, again.args) == ("pimainteno:agent", "repair", {"run_id": 1})
    run = await house.run()
    assert (run.stage, run.base_sha, (await house.proposal()).base_sha) == ("repair", tip, tip)
    assert run.changeset is not None
    assert run.changeset.base == tip
    assert [c.path for c in run.changeset.changes] == ["app.py"]  # the summarise stage writes codex.md anew
    assert run.answer is not None
    await house.do(await house.made(notes=run.notes))
    proposal = await house.proposal()
    assert proposal.state is ProposalState.OPEN
    assert f"applied anew on {tip[:12]}" in proposal.body
    assert house.show(f"{proposal.branch}:other.py") == "1"


async def test_without_checks_a_moved_base_costs_nothing(house: House) -> None:
    house.configure(project="")
    job = await house.ready(SUMMARY, checks=())
    house.origin.commit({"other.py": "1\n"}, "moved")
    assert await house.do(job) == []
    proposal = await house.proposal()
    assert (proposal.state, proposal.base_sha) == (ProposalState.OPEN, house.branches()["main"])
    assert house.show(f"{proposal.branch}:other.py") == "1"
    assert house.show(f"{proposal.branch}:codex.md") == "# greeter"


@pytest.mark.parametrize(("project", "stage"), [('checks = ["x"]', "repair"), ("", "prove")])
async def test_a_conflict_in_the_summary_alone_writes_it_anew(house: House, project: str, stage: str) -> None:
    house.configure(project=project)
    job = await house.ready(SUMMARY)
    house.origin.commit({"codex.md": "# another\n"}, "by hand")
    assert len(await house.do(job)) == 1
    run = await house.run()
    assert (run.stage, [c.path for c in run.changeset.changes] if run.changeset else None) == (
        stage,
        ["app.py"],
    )


async def test_a_conflict_starts_the_agent_again(house: House) -> None:
    job = await house.ready()
    tip = house.origin.commit({"app.py": "one\ntwo\nDREI\nfour\nfive\n"}, "conflicts")
    (again,) = await house.do(job)
    assert again.name == "repair"
    run = await house.run()
    assert (run.stage, run.base_sha, run.changeset, run.answer, run.checks) == ("", tip, None, None, ())


async def test_a_base_that_was_rewritten_is_followed(house: House) -> None:
    house.configure(project="")
    job = await house.ready()
    house.origin.git("commit", "--quiet", "--amend", "--message", "begin again")
    house.origin.git("push", "--quiet", "--force", "origin", "HEAD:refs/heads/main")
    assert await house.do(job) == []
    proposal = await house.proposal()
    parents = house.origin.git(f"--git-dir={house.origin.bare}", "log", "-1", "--format=%P", proposal.branch)
    assert parents == house.branches()["main"]


async def test_what_the_base_has_already_is_skipped(house: House) -> None:
    job = await house.ready()
    house.origin.commit({"app.py": FIXED}, "the same by hand")
    assert await house.do(job) == []
    proposal = await house.proposal()
    assert proposal.state is ProposalState.SKIPPED
    assert "main has this change already" in (proposal.reason or "")


async def test_a_base_that_always_moves_is_not_followed_for_ever(house: House) -> None:
    job = await house.ready()
    for number in range(3):
        house.origin.commit({f"other{number}.py": "1\n"}, "moved")
        (again,) = await house.do(job)
        assert again.name == "repair"
        job = await house.made(notes=(await house.run()).notes)
    tested = (await house.run()).base_sha
    house.origin.commit({"one-more.py": "1\n"}, "moved")
    assert await house.do(job) == []
    proposal = await house.proposal()
    assert proposal.state is ProposalState.OPEN
    parents = house.origin.git(f"--git-dir={house.origin.bare}", "log", "-1", "--format=%P", proposal.branch)
    assert parents == tested

"""What becomes of branches on a forge, and of the repository itself: ours, the base, the default one."""

from __future__ import annotations

import pytest

from app.core.models import ProposalState
from app.store import jobs
from tests.worker.publisher.there import REPO, There, kinds


async def test_a_commit_of_somebody_else_freezes_the_branch_and_is_said_once(there: There) -> None:
    theirs = there.push()
    await there.reconcile()
    await there.poll()
    proposal = await there.house.proposal()
    assert (proposal.state, proposal.head_sha, proposal.foreign_sha) == (ProposalState.OPEN, theirs, theirs)
    assert "retry 1 --discard" in (proposal.reason or "")
    (said,) = there.said()
    assert theirs[:12] in said
    again = there.push("more\n")
    await there.reconcile()
    (said,) = there.said()
    assert again[:12] in said

    await there.house.ask("retry")
    await there.settle()
    assert there.house.branches()[proposal.branch] == again


async def test_a_frozen_branch_is_taken_back_on_request(there: There) -> None:
    ours = (await there.house.proposal()).head_sha
    theirs = there.push()
    await there.reconcile()
    await there.house.ask("retry", discard=True)
    await there.settle()
    proposal = await there.house.proposal()
    assert (proposal.head_sha, proposal.foreign_sha, proposal.reason) == (ours, None, None)
    assert there.house.branches()[proposal.branch] == ours
    assert there.request.state.startswith("open")
    told = (await there.house.events("proposal.updated"))[-1]
    assert (told.actor, told.data) == ("ann", {"commit": ours, "discarded": theirs})


async def test_a_retry_of_an_open_proposal_updates_it_in_place(there: There) -> None:
    before = await there.house.proposal()
    there.house.origin.commit({"app.py": "one\ntwo\nthree\nfour\nfive\nsix\n"}, "go on")
    await there.house.ask("retry")
    await there.settle()
    proposal = await there.house.proposal()
    assert (proposal.state, proposal.number) == (ProposalState.OPEN, before.number)
    assert proposal.head_sha != before.head_sha
    assert len(there.double.pulls(REPO)) == 1
    assert there.now("head_sha") == proposal.head_sha
    assert (await kinds(there))[-1] == "proposal.updated"


async def test_a_base_that_conflicts_only_elsewhere_is_followed_without_the_model(there: There) -> None:
    """The base changed what the proposal changes too, in the same way: nothing of it is left to propose."""
    there.house.origin.commit({"app.py": "one\ntwo\nTHREE\nfour\nfive\nsix\n"}, "the same and more")
    await there.poll()
    run = await there.house.run()
    assert run.retry == 0
    async with there.house.store.read() as tx:
        assert await jobs.pending(tx, "repair", 1) is None


async def test_a_base_that_was_rewritten_gets_the_change_anew(there: There) -> None:
    origin = there.house.origin
    origin.commit({"other.py": "x\n"}, "to be taken back")
    await there.house.ask("retry")
    await there.settle()
    before = await there.house.proposal()
    assert before.base_sha == there.house.branches()["main"]
    origin.git("reset", "--quiet", "--hard", "HEAD~1")
    origin.commit({"another.py": "x\n"}, "in its place", to="aside")
    origin.git("push", "--quiet", "--force", "origin", "HEAD:main")
    await there.poll()
    proposal = await there.house.proposal()
    assert (proposal.state, proposal.number) == (ProposalState.OPEN, before.number)
    assert proposal.base_sha == there.house.branches()["main"]
    assert there.now("head_sha") == proposal.head_sha != before.head_sha
    assert any("was rewritten" in event.text for event in await there.house.events("proposal.updated"))


async def test_a_branch_that_is_deleted_is_said(there: There) -> None:
    there.do_with_repo("delete_branch", there.now("head_ref"))
    await there.poll()
    proposal = await there.house.proposal()
    assert proposal.state in (ProposalState.CLOSED, ProposalState.OPEN)
    if proposal.state is ProposalState.OPEN:  # GitLab leaves the request open
        assert "branch is gone" in (proposal.reason or "")
    before = len(await there.house.events())
    await there.poll()
    assert len(await there.house.events()) == before


@pytest.mark.parametrize("harm", ["rename", "archive", "remove"])
async def test_a_repository_that_is_gone_is_said_once_with_the_remedy(there: There, harm: str) -> None:
    if harm == "rename":
        there.double.rename(REPO, "me/welcomer")
    else:
        getattr(there.double, harm)(REPO)
    await there.poll()
    await there.poll()
    (event,) = await there.house.events("project.trouble")
    assert event.text.startswith("project greeter on forge here: ")
    assert {"rename": "me/welcomer", "archive": "archived", "remove": "check"}[harm] in event.text
    assert (await there.house.proposal()).state is ProposalState.OPEN
    if harm == "rename":
        there.double.rename("me/welcomer", REPO)
        await there.poll()
        assert len(await there.house.events("project.recovered")) == 1


async def test_a_default_branch_of_another_name_is_followed_and_said(there: There) -> None:
    there.do_with_repo("rename_branch", "main", "trunk")
    await there.poll()
    (event,) = await there.house.events("project.updated")
    assert event.text == "Its default branch is trunk now, and was main"
    assert there.now("base_ref") == "trunk"
    assert (await there.house.proposal()).state is ProposalState.OPEN

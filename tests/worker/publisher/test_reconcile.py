"""What people and CI do on a forge is what our rows, and the history, say afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.core.models import ProposalState
from app.store import jobs, projects
from tests.worker.publisher.conftest import FIXED
from tests.worker.publisher.there import REPO, There, kinds

SMALLER = {"app.py": FIXED}


async def test_a_look_at_what_is_as_we_know_it_writes_nothing(there: There) -> None:
    before, told = await there.house.proposal(), len(await there.house.events())
    await there.reconcile()
    await there.poll()
    assert await there.house.proposal() == before
    assert len(await there.house.events()) == told
    assert (before.state, before.number) == (ProposalState.OPEN, there.request.number)


async def test_merged_there_is_merged_here_and_by_whom(there: There) -> None:
    there.do("ready")
    commit = there.do("merge", by="octocat")
    await there.reconcile()
    proposal = await there.house.proposal()
    assert (proposal.state, proposal.reason) == (ProposalState.MERGED, "merged by octocat on the forge")
    assert proposal.merge_commit == commit
    assert (await there.house.incident()).state == "resolved"
    (event,) = await there.house.events("proposal.merged")
    assert (event.actor, event.data["commit"], event.data["branch"]) == ("octocat", commit, "main")
    await there.poll()
    assert len(await there.house.events("proposal.merged")) == 1


async def test_closed_by_a_person_stays_closed_and_is_told_once(there: There) -> None:
    there.do("close", by="octocat")
    await there.poll()
    proposal = await there.house.proposal()
    assert (proposal.state, proposal.reason) == (ProposalState.CLOSED, "closed by octocat on the forge")
    for number in range(100):
        assert await there.house.fail(invocation=f"{number:032x}") == []
    assert (await there.house.incident()).count == 101
    told = [e.text for e in await there.house.events("failure.seen") if "is closed and stays so" in e.text]
    assert len(told) == 1
    assert len(await there.house.events("failure.seen")) == 2
    assert len(there.double.pulls(REPO)) == 1
    assert there.bodies() == []


async def test_what_a_person_opens_again_is_open_again(there: There) -> None:
    there.do("close")
    await there.reconcile()
    there.do("reopen")
    await there.poll()
    assert (await there.house.proposal()).state is ProposalState.OPEN
    assert [k for k in await kinds(there) if k != "proposal.updated"] == [
        "proposal.opened",
        "proposal.closed",
        "proposal.reopened",
    ]


async def test_closed_by_us_is_told_as_ours(there: There) -> None:
    await there.house.ask("close")
    await there.settle()
    await there.poll()
    assert (await there.house.proposal()).reason == "closed by ann"
    assert len(await there.house.events("proposal.closed")) == 1
    assert there.request.state == "closed"


async def test_a_look_during_our_own_close_leaves_the_state_to_it(there: There) -> None:
    close = await there.house.ask("close")
    there.do("close", by="me")  # as far as a former try got
    async with there.house.store.write() as tx:
        look = (await jobs.reconcile(tx, 1))[1]
    await there.house.do(look)
    assert (await there.house.proposal()).state is ProposalState.OPEN
    await there.house.do(close)
    assert (await there.house.proposal()).reason == "closed by ann"


async def test_title_and_draft_are_peoples_to_say(there: There) -> None:
    there.do("edit", title="Count up to three")
    there.do("ready")
    await there.reconcile()
    proposal = await there.house.proposal()
    assert (proposal.title, proposal.draft) == ("Count up to three", False)
    texts = [event.text for event in await there.house.events("proposal.updated")]
    assert texts == ["Its title is now: Count up to three", "It is ready for review"]
    await there.house.ask("retry")
    await there.settle()
    assert there.request.title == "Count up to three"
    assert (await there.house.proposal()).title == "Count up to three"


async def test_ci_and_its_failing_names(there: There) -> None:
    there.do("status", "build", "pending")
    await there.poll()
    assert (await there.house.proposal()).ci == "pending"
    there.do("status", "build", "failure" if there.kind == "github" else "failed")
    there.do("status", "lint", "success")
    await there.poll()
    proposal = await there.house.proposal()
    assert (proposal.ci, proposal.failing) == ("failure", ("build",))
    there.do("status", "build", "success")
    await there.poll()
    texts = [event.text for event in await there.house.events("proposal.ci")]
    assert texts == ["CI: pending", "CI: failure (build)", "CI: success"]


async def test_reviews_and_whose(there: There) -> None:
    there.do("review", "octocat", "CHANGES_REQUESTED")
    await there.reconcile()
    assert (await there.house.proposal()).review == "changes_requested"
    there.do("review", "octocat", "APPROVED")
    await there.reconcile()
    assert (await there.house.proposal()).review == "approved"
    events = await there.house.events("proposal.review")
    assert [event.text for event in events] == [
        "Review: changes requested by octocat",
        "Review: approved by octocat",
    ]
    assert {event.actor for event in events} == {"octocat"}


async def test_a_merge_has_the_default_branch_read_again(there: There) -> None:
    house = there.house
    commit = there.do("merge")
    await there.reconcile()
    async with house.store.read() as tx:
        (view,) = await projects.views(tx, house.settings)
        about = await projects.codex_md(tx, "greeter")
    assert about is not None
    assert view.last_commit == about.commit == house.branches()["main"] == commit


async def test_the_same_failure_after_the_merge_is_a_regression(there: There) -> None:
    there.do("ready")
    there.do("merge")
    await there.reconcile()
    (start,) = await there.house.fail(invocation="f" * 32)
    await there.house.do(start)
    await there.house.made(2, {"app.py": "one\ntwo\nTHREE!\nfour\nfive\n"})
    await there.settle()
    proposal = await there.house.proposal(2)
    assert proposal.reason is None
    assert (proposal.state, proposal.follows) == (ProposalState.OPEN, 1)
    (event,) = await there.house.events("incident.regressed")
    assert (event.proposal, event.data["follows"]) == (2, 1)
    assert "It came back after" in there.now("body")
    assert proposal.branch.endswith("-2")


async def test_the_same_failure_where_the_merge_is_not_is_no_regression(there: There) -> None:
    there.do("ready")
    there.do("merge")
    await there.reconcile()
    there.house.origin.git("push", "--quiet", "--force", "origin", "main:main")
    (start,) = await there.house.fail(invocation="f" * 32)
    await there.house.do(start)
    assert (await there.house.proposal(2)).follows is None
    assert await there.house.events("incident.regressed") == []


async def test_closed_ends_when_what_it_touched_changes(there: There) -> None:
    there.do("close")
    await there.reconcile()
    there.house.origin.commit({"other.py": "x = 1\n"}, "something else")
    await there.poll()
    assert await there.house.fail(invocation="1" * 32) == []
    there.house.origin.commit({"app.py": "one\ntwo\n3\nfour\nfive\n"}, "just there")
    await there.poll()
    assert "app.py" in (await there.house.events("proposal.updated"))[-1].text
    (job,) = await there.house.fail(invocation="2" * 32)
    assert job.name == "start"
    assert (await there.house.proposal(2)).state is ProposalState.WORKING


async def test_a_snooze_ends_by_itself(there: There) -> None:
    await there.house.ask("snooze", until=datetime.now(UTC) + timedelta(days=7))
    await there.settle()
    assert there.request.state == "closed"
    assert await there.house.fail(invocation="1" * 32) == []
    await there.house.set_proposal(snoozed_until=datetime.now(UTC) - timedelta(seconds=1))
    (job,) = await there.house.fail(invocation="2" * 32)
    assert job.name == "start"


async def test_requests_that_are_not_ours_cost_nothing(there: There) -> None:
    there.house.origin.commit({"theirs.py": "x\n"}, "theirs", to="pimainteno/fix/like-ours")
    there.double.open(REPO, "pimainteno/fix/like-ours", title="Not ours")
    before = len(await there.house.events())
    await there.poll()
    assert len(await there.house.events()) == before
    async with there.house.store.read() as tx:
        assert await jobs.pending(tx, "reconcile", 2) is None

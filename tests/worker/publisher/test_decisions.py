"""What people decide: merge, close, retry and snooze, each with its actor in the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.core.base import now
from app.core.models import NewJob, ProposalState
from app.core.queue import Queue
from app.store import jobs
from tests.worker.publisher.conftest import SECRET
from worker.publisher import merging
from worker.publisher import mirror as mirrors

if TYPE_CHECKING:
    from app.store.actions import Action
    from tests.worker.publisher.conftest import House


async def decide(house: House, action: Action, proposal_id: int = 1, **more: Any) -> list[Any]:
    return await house.do(await house.ask(action, proposal_id, **more))


async def forced(house: House, action: str, **args: Any) -> list[Any]:
    """Do an action's job without asking first whether the state allows it."""
    async with house.store.write() as tx:
        job = await jobs.add(
            tx, NewJob(queue=Queue.PUBLISHER, name=action, args={"proposal_id": 1, "actor": "ann", **args})
        )
    return await house.do(job)


def log(house: House, *args: str) -> str:
    return house.origin.git(f"--git-dir={house.origin.bare}", "log", *args)


async def test_a_merge_lands_on_the_default_branch(house: House) -> None:
    proposal = await house.opened()
    base = house.branches()["main"]
    await decide(house, "merge")
    merged = await house.proposal()
    assert (merged.state, merged.reason) == (ProposalState.MERGED, None)
    assert list(house.branches()) == ["main"]  # the branch is gone
    assert log(house, "-1", "--format=%P", "main").split() == [base, proposal.head_sha]
    assert "Asked for by ann." in log(house, "-1", "--format=%B", "main")
    assert (await house.incident()).state == "resolved"
    (event,) = await house.events("proposal.merged")
    assert (event.actor, event.data["commit"], event.proposal) == ("ann", house.branches()["main"], 1)
    (again,) = await house.fail()  # it failed again: what was merged did not hold
    assert again.args == {"run_id": 2}


async def test_a_merge_onto_a_base_that_moved(house: House) -> None:
    await house.opened()
    house.origin.commit({"other.py": "1\n"}, "moved")
    await decide(house, "merge")
    assert (await house.proposal()).state is ProposalState.MERGED
    assert house.show("main:other.py") == "1"
    assert "THREE" in house.show("main:app.py")


async def test_a_conflict_leaves_it_open_and_names_the_file(house: House) -> None:
    await house.opened()
    tip = house.origin.commit({"app.py": "one\ntwo\nDREI\nfour\nfive\n"}, "conflict")
    await decide(house, "merge")
    proposal = await house.proposal()
    assert proposal.state is ProposalState.OPEN
    assert "conflicts with main in app.py" in (proposal.reason or "")
    assert house.branches()["main"] == tip
    told = (await house.events("operator.merge"))[-1]
    assert "app.py" in told.text
    assert told.actor == "ann"


async def test_the_owners_hook_may_refuse_a_merge(house: House) -> None:
    await house.opened()
    house.hook("update", '[ "$1" != refs/heads/main ] || { echo "main is frozen" >&2; exit 1; }')
    await decide(house, "merge")
    proposal = await house.proposal()
    assert proposal.state is ProposalState.OPEN
    assert "main is frozen" in (proposal.reason or "")


async def test_what_a_hook_says_of_a_merge_is_kept_without_secrets(house: House) -> None:
    await house.opened()
    house.hook("update", f'[ "$1" != refs/heads/main ] || {{ echo "frozen {SECRET}" >&2; exit 1; }}')
    await decide(house, "merge")
    assert "frozen [redacted]" in ((await house.proposal()).reason or "")


@pytest.mark.parametrize("moves", [1, 3])
async def test_a_default_branch_that_moves_meanwhile(
    house: House, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.opened()
    real, left = mirrors.Mirror.push, [moves]

    async def raced(self: mirrors.Mirror, sha: str, branch: str, *, expect: str) -> None:
        if left[0]:
            left[0] -= 1
            house.origin.commit({f"other{left[0]}.py": "1\n"}, "moved")
        await real(self, sha, branch, expect=expect)

    monkeypatch.setattr(mirrors.Mirror, "push", raced)
    await decide(house, "merge")
    state = (await house.proposal()).state
    assert state is (ProposalState.MERGED if moves < merging.TRIES else ProposalState.OPEN)
    assert house.show("main:other0.py") == "1"


async def test_what_somebody_added_is_shown_before_it_is_merged(house: House) -> None:
    proposal = await house.opened()
    house.origin.git("fetch", "--quiet", "origin", proposal.branch)
    house.origin.git("checkout", "--quiet", "FETCH_HEAD")
    theirs = house.origin.commit({"more.py": "1\n"}, "more", to=proposal.branch)
    await decide(house, "merge")
    shown = await house.proposal()
    assert (shown.state, shown.head_sha) == (ProposalState.OPEN, theirs)
    assert f"somebody else pushed {theirs[:12]}" in (shown.reason or "")
    assert (await house.events("proposal.updated"))[0].data["commit"] == theirs
    await decide(house, "merge")
    assert (await house.proposal()).state is ProposalState.MERGED
    assert house.show("main:more.py") == "1"


async def test_a_branch_that_is_gone(house: House) -> None:
    proposal = await house.opened()
    house.origin.git("push", "--quiet", "origin", f":{proposal.branch}")
    await decide(house, "merge")
    shown = await house.proposal()
    assert shown.state is ProposalState.OPEN
    assert "is gone" in (shown.reason or "")


@pytest.mark.parametrize("point", ["push", "_write", "_tidy"])
async def test_a_merge_that_was_cut_off_goes_on(
    house: House, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.opened()
    job = await house.ask("merge")
    owner = mirrors.Mirror if point == "push" else merging
    real = getattr(owner, point)

    async def dies(*args: Any, **more: Any) -> None:
        await real(*args, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, point, dies)
        await house.call(job)
    await house.call(job)
    assert (await house.proposal()).state is ProposalState.MERGED
    assert list(house.branches()) == ["main"]
    assert log(house, "--merges", "--format=%h", "main").count("\n") == 0
    assert len(await house.events("proposal.merged")) == 1


async def test_a_merge_of_what_is_not_open(house: House) -> None:
    await house.opened()
    await house.set_proposal(state=ProposalState.CLOSED)
    await forced(house, "merge")
    assert (await house.proposal()).state is ProposalState.CLOSED
    assert "closed by now" in (await house.events("operator.merge"))[-1].text


async def test_close_and_the_same_failure(house: House) -> None:
    proposal = await house.opened()
    await decide(house, "close")
    closed = await house.proposal()
    assert (closed.state, closed.reason) == (ProposalState.CLOSED, "closed by ann")
    assert proposal.branch in house.branches()
    (event,) = await house.events("proposal.closed")
    assert event.actor == "ann"
    assert await house.fail() == []
    await forced(house, "close")
    assert len(await house.events("proposal.closed")) == 1


async def test_closing_stops_a_run_at_work(house: House) -> None:
    (job,) = await house.fail()
    await house.do(job)
    await decide(house, "close")
    await house.do(await house.made())
    assert (await house.proposal()).state is ProposalState.CLOSED
    assert list(house.branches()) == ["main"]


async def test_a_closed_proposal_opens_again_as_it_was(house: House) -> None:
    before = await house.opened()
    await decide(house, "close")
    assert await decide(house, "retry") == []
    proposal = await house.proposal()
    assert (proposal.state, proposal.reason) == (ProposalState.OPEN, None)
    assert (proposal.head_sha, proposal.url) == (before.head_sha, before.url)
    (event,) = await house.events("proposal.reopened")
    assert event.actor == "ann"


async def test_on_another_base_a_retry_is_a_new_run(house: House) -> None:
    proposal = await house.opened()
    await decide(house, "close")
    house.origin.commit({"other.py": "1\n"}, "moved")
    (job,) = await decide(house, "retry")
    assert (job.name, job.args) == ("start", {"run_id": 2})
    assert (await house.run(2)).retry == 1
    assert len(await house.events("proposal.reopened")) == 1
    await house.do(job)
    await house.do(await house.made(2))
    again = await house.proposal()
    assert again.state is ProposalState.OPEN
    assert house.branches()[again.branch] == again.head_sha != proposal.head_sha


@pytest.mark.parametrize("state", [ProposalState.REFUSED, ProposalState.SKIPPED, ProposalState.FAILED])
async def test_a_retry_tries_the_same_code_again(house: House, state: ProposalState) -> None:
    (job,) = await house.fail()
    await house.do(job)
    await house.set_proposal(state=state, reason="why")
    (again,) = await decide(house, "retry")
    (following,) = await house.do(again)
    assert following.name == "repair"
    assert (await house.proposal()).state is ProposalState.WORKING
    assert await house.events("proposal.reopened") == []


async def test_a_retry_that_was_cut_off_makes_one_run(house: House) -> None:
    (job,) = await house.fail()
    await house.do(job)
    await house.set_proposal(state=ProposalState.FAILED)
    asked = await house.ask("retry")
    first = await house.call(asked)
    again = await house.call(await house.again(asked))
    assert first == again
    assert (await house.run(2)).retry == 1


@pytest.mark.parametrize(
    ("columns", "name"),
    [({"stage": "triage"}, "repair"), ({"base_sha": None}, "start"), ({"stage": "summarise"}, "publish")],
)
async def test_a_retry_of_what_waits_goes_on_at_once(
    house: House, columns: dict[str, Any], name: str
) -> None:
    (job,) = await house.fail()
    await house.do(job)
    await house.set_run(**columns)
    await house.set_proposal(state=ProposalState.WAITING, reason="network")
    (following,) = await decide(house, "retry")
    assert (following.name, following.args) == (name, {"run_id": 1})


async def test_discard_throws_away_what_others_pushed(house: House) -> None:
    (job,) = await house.fail()
    await house.do(job)
    branch = (await house.proposal()).branch
    house.origin.commit({"mine.py": "1\n"}, "mine", to=branch)
    await house.do(await house.made())
    assert (await house.proposal()).state is ProposalState.REFUSED
    (again,) = await decide(house, "retry", discard=True)
    assert branch not in house.branches()
    await house.do(again)
    await house.do(await house.made(2))
    proposal = await house.proposal()
    assert proposal.state is ProposalState.OPEN
    assert house.branches()[branch] == proposal.head_sha


async def test_snooze(house: House) -> None:
    await house.opened()
    until = now() + timedelta(hours=2)
    await decide(house, "snooze", until=until)
    proposal = await house.proposal()
    assert proposal.state is ProposalState.CLOSED
    assert proposal.snoozed_until == until
    assert "snoozed by ann until" in (proposal.reason or "")
    assert (await house.events("proposal.closed"))[0].data["snoozed_until"] == until.isoformat()
    assert await house.fail() == []
    await house.set_proposal(snoozed_until=datetime(2020, 1, 1, tzinfo=UTC))
    assert len(await house.fail()) == 1


async def test_a_closed_proposal_can_be_snoozed(house: House) -> None:
    await house.opened()
    await decide(house, "close")
    await decide(house, "snooze", until=now() + timedelta(hours=2))
    assert (await house.proposal()).snoozed_until is not None
    assert len(await house.events("proposal.closed")) == 1


async def test_a_merged_proposal_stays_merged(house: House) -> None:
    await house.opened()
    await decide(house, "merge")
    for action in ("close", "retry"):
        await forced(house, action)
    assert (await house.proposal()).state is ProposalState.MERGED

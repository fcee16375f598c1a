"""Never two runs at once on one proposal: what an older run still has in the outbox comes to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.models import Kind, NewJob, ProposalState
from app.core.queue import Queue
from app.store import jobs
from worker.agent import pipeline

if TYPE_CHECKING:
    import pytest

    from app.core.models import Incident, Job, Run
    from tests.worker.publisher.conftest import House
    from worker.context import Work


async def test_an_older_run_that_waited_does_not_come_back(house: House) -> None:
    publish = await house.ready()  # waits at a limit, for instance
    await house.do(await house.ask("close"))
    (start,) = await house.do(await house.ask("retry"))
    await house.do(start)
    assert (await house.proposal()).state is ProposalState.WORKING
    assert await house.do(publish) == []
    proposal = await house.proposal()
    assert (proposal.state, proposal.branch in house.branches()) == (ProposalState.WORKING, False)
    assert (await house.run(1)).state == "skipped"
    await house.do(await house.made(2))
    assert (await house.proposal()).state is ProposalState.OPEN


async def test_an_older_run_that_fails_late_does_not_end_the_newer(house: House) -> None:
    publish = await house.ready(files={})  # has no changes: fails
    await house.do(await house.ask("close"))
    await house.do(await house.ask("retry"))
    await house.do(publish)
    assert (await house.proposal()).state is ProposalState.WORKING


async def test_a_retry_of_what_waits_leaves_one_job(house: House) -> None:
    publish = await house.ready()
    await house.set_proposal(state=ProposalState.WAITING, reason="a limit")
    (following,) = await house.do(await house.ask("retry"))
    async with house.store.read() as tx:
        assert (await jobs.get(tx, publish.id)).state == "dead"
    await house.do(following)
    assert (await house.proposal()).state is ProposalState.OPEN
    assert await house.do(publish) == []


async def test_a_retry_of_what_is_at_work_just_now_adds_no_second_job(house: House) -> None:
    publish = await house.ready()
    await house.set_proposal(state=ProposalState.WAITING, reason="a limit")
    async with house.store.write() as tx:
        assert await jobs.take(tx, publish.id, owner="another", lease_s=60) is not None
    assert await house.do(await house.ask("retry")) == []


async def test_a_run_that_is_done_asks_the_agent_nothing_again(house: House) -> None:
    proposal = await house.opened()
    assert proposal.state is ProposalState.OPEN
    again = await _repair(house)
    following = await house.do(again)
    assert [job.name for job in following] in ([], ["publish"])
    async with house.store.read() as tx:
        assert (await jobs.get(tx, again.id)).state == "done"
    assert (await house.run(1)).stage == "open"


async def test_discard_holds_for_what_waits_too(house: House) -> None:
    publish = await house.ready()
    branch = (await house.proposal()).branch
    house.origin.commit({"mine.py": "1\n"}, "mine", to=branch)
    await house.set_proposal(state=ProposalState.WAITING, reason="a limit")
    (following,) = await house.do(await house.ask("retry", discard=True))
    await house.do(following)
    proposal = await house.proposal()
    assert proposal.state is ProposalState.OPEN, proposal.reason
    assert house.branches()[branch] == proposal.head_sha
    assert await house.do(publish) == []


async def _repair(house: House) -> Job:
    async with house.store.write() as tx:
        return await jobs.add(tx, NewJob(queue=Queue.AGENT, name="repair", args={"run_id": 1}))


async def test_closing_ends_a_run_between_its_stages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    async def first(work: Work, this: Run, incident: Incident | None) -> Run:
        done.append("triage")
        await house.do(await house.ask("close"))
        return this

    async def second(work: Work, this: Run, incident: Incident | None) -> Run:
        done.append("repair")
        return this

    monkeypatch.setitem(pipeline.STAGES, Kind.FIX, (("triage", first), ("repair", second)))
    (start,) = await house.fail()
    (repair,) = await house.do(start)
    assert await house.do(repair) == []
    assert done == ["triage"]
    assert (await house.proposal()).state is ProposalState.CLOSED
    assert (await house.run()).state == "skipped"

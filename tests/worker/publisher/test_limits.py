"""What is over a limit waits, says so once, and opens when there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.models import ProposalState
from worker.publisher import publish as publishing
from worker.publisher.commit import commit

if TYPE_CHECKING:
    from app.core.models import Job
    from tests.worker.publisher.conftest import House


async def test_over_the_limit_of_open_proposals_it_waits(house: House) -> None:
    house.configure(more="[limits]\nopen_proposals = 1")
    await house.opened()
    (job,) = await house.fail(log="error: other")
    await house.do(job)
    second = await house.made(2, {"README.md": "other\n"})
    for _ in range(2):
        await house.do(second)
        proposal = await house.proposal(2)
        assert proposal.state is ProposalState.WAITING
        assert "limits.open_proposals" in (proposal.reason or "")
        await _due(house, second)
    assert len(await house.events("proposal.waiting")) == 1
    assert len(house.branches()) == 2
    await house.set_proposal(1, state=ProposalState.MERGED)
    await house.do(second)
    proposal = await house.proposal(2)
    assert (proposal.state, proposal.reason) == (ProposalState.OPEN, None)


async def test_over_the_hourly_limit_it_waits(house: House) -> None:
    house.configure(more="[limits]\nproposals_per_hour = 1")
    await house.opened()
    (job,) = await house.fail(log="error: other")
    await house.do(job)
    second = await house.made(2, {"README.md": "other\n"})
    await house.do(second)
    assert "limits.proposals_per_hour" in ((await house.proposal(2)).reason or "")
    house.configure(more="[limits]\nproposals_per_hour = 0")
    await _due(house, second)
    await house.do(second)
    assert (await house.proposal(2)).state is ProposalState.OPEN


async def test_a_place_is_taken_with_the_commit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once at a limit of one: the second waits although the first is not open yet."""
    house.configure(more="[limits]\nopen_proposals = 1")
    first = await house.ready()
    (job,) = await house.fail(log="error: other")
    await house.do(job)
    second = await house.made(2, {"README.md": "other\n"})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        async def dies(*args: Any) -> None:
            await commit(*args)
            raise KeyboardInterrupt

        patch.setattr(publishing, "commit", dies)
        await house.call(first)
    await house.do(second)
    assert (await house.proposal(2)).state is ProposalState.WAITING
    await house.call(first)
    assert (await house.proposal(1)).state is ProposalState.OPEN


async def _due(house: House, job: Job) -> None:
    from sqlalchemy import text

    async with house.store.write() as tx:
        await tx.execute(text("update jobs set not_before = 0 where id = :id"), {"id": job.id})

"""Pushing: never over somebody else's work, and the owner's hooks have their say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.errors import Refused
from app.core.models import ProposalState
from app.store import proposals
from worker.publisher import mirror as mirrors

if TYPE_CHECKING:
    from tests.worker.publisher.conftest import House


async def test_somebody_elses_branch_stays_as_it_is(house: House) -> None:
    job = await house.ready()
    branch = (await house.proposal()).branch
    theirs = house.origin.commit({"mine.py": "1\n"}, "mine", to=branch)
    await house.do(job)
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    assert f"somebody else pushed {theirs[:12]}" in (proposal.reason or "")
    assert "--discard" in (proposal.reason or "")
    assert house.branches()[branch] == theirs


async def test_a_push_in_between_is_not_overwritten(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await house.ready()
    branch = (await house.proposal()).branch
    real = mirrors.Mirror.push

    async def late(self: mirrors.Mirror, *args: Any, **more: Any) -> None:
        house.origin.commit({"mine.py": "1\n"}, "mine", to=branch)
        await real(self, *args, **more)

    monkeypatch.setattr(mirrors.Mirror, "push", late)
    with pytest.raises(Refused, match="somebody else pushed"):
        await house.call(job)
    assert "mine.py" in house.show(branch)


async def test_a_newer_run_replaces_what_we_pushed(house: House) -> None:
    await house.do(await house.ready())
    first = (await house.proposal()).head_sha
    async with house.store.write() as tx:
        from app.store import runs

        run = await runs.create(tx, await proposals.get(tx, 1))
        await runs.update(tx, run.id, base_sha=house.branches()["main"])
    await house.do(await house.made(2, {"app.py": "better\n"}))
    proposal = await house.proposal()
    assert house.branches()[proposal.branch] == proposal.head_sha != first
    assert proposal.pushed == (first, proposal.head_sha)
    assert [e.kind for e in await house.events("proposal.opened", "proposal.updated")] == [
        "proposal.opened",
        "proposal.updated",
    ]


async def test_the_owners_hook_may_refuse_and_is_quoted(house: House) -> None:
    house.hook("pre-receive", 'echo "no bots on Mondays" >&2; exit 1')
    await house.do(await house.ready())
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    assert "no bots on Mondays" in (proposal.reason or "")
    assert "greeter" in (proposal.reason or "")


async def test_the_owners_hook_sees_no_secret_of_ours(house: House) -> None:
    house.hook("post-receive", f'env > {house.at}/seen; test -f "$HOME/.gitconfig" || true')
    await house.do(await house.ready())
    assert (await house.proposal()).state is ProposalState.OPEN
    seen = (house.at / "seen").read_text()
    assert "hunter2" not in seen
    assert "TOKEN" not in seen


async def test_a_rule_that_covers_our_branches_is_said_with_its_remedy(house: House) -> None:
    words = "remote: error: GH013: Repository rule violations found for refs/heads/pimainteno"
    house.hook("pre-receive", f"echo '{words}' >&2; exit 1")
    await house.do(await house.ready())
    proposal = await house.proposal()
    assert proposal.state is ProposalState.REFUSED
    reason = proposal.reason or ""
    assert reason.startswith("project greeter on forge here: the push was refused: ")
    assert "GH013: Repository rule violations" in reason
    assert "leave `pimainteno/*` out of the branch protection or ruleset" in reason

"""What CI and people make of a proposal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.core.models import ProposalState
from app.store import events, incidents, proposals
from tests.browser.week.clock import sha

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.models import Proposal
    from tests.browser.week.case import Case
    from tests.browser.week.clock import Week


async def forge(week: Week, case: Case, proposal: Proposal) -> AsyncIterator[datetime]:
    """Tell what CI and people did with it."""
    of = {"project": case.project, "proposal": proposal.id}
    if case.ci != "none":
        yield week.moment + timedelta(minutes=4)
        async with week.store.write() as tx:
            await proposals.update(tx, proposal.id, ci=case.ci, failing=case.failing)
        failing = f" ({', '.join(case.failing[:5])})" if case.failing else ""
        await week.say("proposal.ci", f"CI: {case.ci}{failing}", actor=case.forge, **of)
    if case.review != "none":
        yield week.moment + timedelta(minutes=31)
        async with week.store.write() as tx:
            await proposals.update(tx, proposal.id, review=case.review)
        text = f"Review: {case.review.replace('_', ' ')} by {case.by}"
        await week.say("proposal.review", text, actor=case.by, **of)
    if case.edited:
        yield week.moment + timedelta(minutes=12)
        there = sha(case, "theirs")
        reason = (
            f"somebody else pushed {there[:12]} to its branch, so it is left alone; "
            f"`pimainteno retry {proposal.id} --discard` takes it back"
        )
        async with week.store.write() as tx:
            await proposals.update(tx, proposal.id, head_sha=there, foreign_sha=there, reason=reason)
        text = f"Somebody else pushed {there[:12]} to its branch: it is left alone from now on"
        await week.say("proposal.updated", text, actor=case.forge, **of)
    if case.state in (ProposalState.MERGED, ProposalState.CLOSED):
        yield week.before(case.ended)
        await _decided(week, case, proposal)


async def _decided(week: Week, case: Case, proposal: Proposal) -> None:
    of: dict[str, Any] = {"project": case.project, "proposal": proposal.id, "actor": case.by}
    merged = case.state is ProposalState.MERGED
    until = week.now + timedelta(hours=case.snoozed) if case.snoozed else None
    said = (
        f"{case.state} by {case.by}"
        if until is None
        else f"snoozed by {case.by} until {until:%Y-%m-%d %H:%M} UTC"
    )
    async with week.store.write() as tx:
        await proposals.update(
            tx,
            proposal.id,
            state=case.state,
            reason=said,
            snoozed_until=until,
            merge_commit=sha(case, "merge") if merged else None,
        )
        if merged and proposal.incident_id is not None:
            await incidents.resolve(tx, proposal.incident_id)
        await events.append(tx, f"proposal.{case.state}", said[0].upper() + said[1:], **of)

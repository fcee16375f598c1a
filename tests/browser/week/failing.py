"""How often a unit failed, where, and how that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.reports import Failure
from app.store import incidents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from app.core.models import Incident, Proposal
    from tests.browser.week.case import Case
    from tests.browser.week.clock import Week

FEW = 5
"""So many failures of one cause are told one by one."""


async def again(week: Week, case: Case, proposal: Proposal, incident: Incident) -> AsyncIterator[datetime]:
    """Let it fail as often as it did, spread over the time; many at once are told in one line."""
    steps = min(case.times - 1, FEW)
    told = 1
    for step in range(1, steps + 1):
        yield week.before(case.first - (case.first - case.last_failure) * step / steps)
        upto = 1 + (case.times - 1) * step // steps
        more = [failure(week, case, number) for number in range(told, upto)]
        async with week.store.write() as tx:
            known = await incidents.record(
                tx, *more, fingerprint=incident.fingerprint, version=1, log=case.log
            )
        await failed(week, case, proposal, known, told, len(more))
        told = upto


async def failed(
    week: Week, case: Case, proposal: Proposal, incident: Incident, number: int, more: int = 1
) -> None:
    host = case.hosts[number % len(case.hosts)]
    how = f"{case.result}, exit {case.exit_status}" if case.exit_status else case.result
    text = f"{case.unit} failed on {host} ({how})"
    if more > 1:
        where = host if len(case.hosts) == 1 else f"{min(more, len(case.hosts))} hosts"
        text = f"{case.unit} failed {more} times more on {where} ({how})"
    await week.say(
        "failure.seen",
        text,
        project=case.project,
        proposal=proposal.id,
        actor="watcher",
        host=host if more == 1 else None,
        data={"unit": case.unit, "count": incident.count, "incident": incident.id, "more": more},
    )


def failure(week: Week, case: Case, number: int) -> Failure:
    return Failure(
        project=case.project,
        unit=case.unit,
        host=case.hosts[number % len(case.hosts)],
        at=week.moment,
        result=case.result,
        exit_status=case.exit_status,
        log=case.log,
    )

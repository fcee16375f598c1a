"""What the history says of failures: each by itself, and a flood in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.models import ProposalState
from app.store import events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.models import Incident, Proposal
    from app.core.reports import Failure
    from app.store.database import Tx

FEW = 5
"""Failures of one cause that one transaction tells of one by one; only in a flood are there more."""
NAMED = 10
ONCE = " and stays so; from now on it is only counted, without a line here"


async def tell(
    tx: Tx, reports: Sequence[Failure], incident: Incident, proposal: Proposal, *, started: bool
) -> None:
    """Write down failures that the incident's count holds already; the first one may have `started` a run.

    Where a person closed the proposal it is said once, and then no more.
    """
    if proposal.state is ProposalState.CLOSED and not started and await _is_told(tx, proposal):
        return
    before = incident.count - len(reports)
    first, rest = reports[0], reports[1:]
    await _one(tx, first, before + 1, incident, proposal, "" if started else _counted(proposal))
    if before == 0:
        await events.append(
            tx,
            "incident.opened",
            f"New incident {incident.id}: {first.unit} ({_how(first)})",
            project=first.project,
            proposal=proposal.id,
            data={"incident": incident.id, "fingerprint": incident.fingerprint},
        )
    if len(rest) >= FEW:
        await _many(tx, rest, incident, proposal)
        return
    for number, report in enumerate(rest, before + 2):
        await _one(tx, report, number, incident, proposal, _counted(proposal))


async def _one(
    tx: Tx, report: Failure, count: int, incident: Incident, proposal: Proposal, counted: str
) -> None:
    data = {
        "host": report.host,
        "unit": report.unit,
        "count": count,
        "incident": incident.id,
        "delivery": report.id,
    }
    await events.append(
        tx,
        "failure.seen",
        f"{report.unit} failed on {report.host} ({_how(report)}){counted}",
        project=report.project,
        proposal=proposal.id,
        actor=report.actor,
        host=report.host,
        data=data,
    )


async def _many(tx: Tx, reports: Sequence[Failure], incident: Incident, proposal: Proposal) -> None:
    hosts, first = list(dict.fromkeys(report.host for report in reports)), reports[0]
    where = hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts"
    data = {
        "hosts": hosts[:NAMED],
        "unit": first.unit,
        "count": incident.count,
        "more": len(reports),
        "incident": incident.id,
    }
    await events.append(
        tx,
        "failure.seen",
        f"{first.unit} failed {len(reports)} times more on {where} ({_how(first)}){_counted(proposal)}",
        project=first.project,
        proposal=proposal.id,
        actor=first.actor,
        host=hosts[0] if len(hosts) == 1 else None,
        data=data,
    )


def _counted(proposal: Proposal) -> str:
    counted = f"; counted, proposal {proposal.id} is {proposal.state}"
    return counted + (ONCE if proposal.state is ProposalState.CLOSED else "")


async def _is_told(tx: Tx, proposal: Proposal) -> bool:
    """Tell whether the history says already that the failure goes on after a person closed its proposal."""
    return await events.is_newer(tx, proposal.id, "failure.seen", than="proposal.closed")


def _how(report: Failure) -> str:
    return f"{report.result}, exit status {report.exit_status}" if report.exit_status else report.result

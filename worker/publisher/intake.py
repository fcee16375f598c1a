"""From a report to rows: incident, proposal, run. One transaction a report, and no git: floods are cheap."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from app.core.models import (
    ACTIVE,
    LOG_LIMIT,
    Failure,
    Job,
    Kind,
    NewJob,
    Proposal,
    ProposalState,
    Tick,
    now,
)
from app.core.queue import Queue
from app.core.redact import printable
from app.store import deliveries, events, incidents, jobs, proposals, runs
from worker.publisher.fingerprint import fingerprint

if TYPE_CHECKING:
    from app.core.models import Incident
    from app.core.redact import Redactor
    from app.core.settings import Settings
    from app.store.database import Store, Tx

REPORTS = "reports"
INVOCATIONS = "invocations"
TRY_AGAIN_AFTER = timedelta(hours=1)
UNIT_LIMIT = 60
_FIELD_LIMITS = {"project": 40, "unit": 255, "host": 255, "result": 64, "exit_status": 64, "actor": 100}


async def failure(settings: Settings, store: Store, redactor: Redactor, report: Failure) -> list[Job]:
    """Take a failure in and return the jobs to ring. The same report, or invocation, is taken once."""
    report = _tidied(report, redactor)
    about = {"project": report.project, "unit": report.unit, "host": report.host}
    if (wrong := _wrong(settings, report)) is not None:
        await _ignore_failure(store, report, about, wrong)
        return []
    print_, version = fingerprint(report)
    log = await _log(store, redactor, report, print_)
    async with store.write() as tx:
        if not await deliveries.add(tx, REPORTS, report.id, "failure", about):
            return []
        if report.invocation and not await deliveries.add(
            tx, INVOCATIONS, f"{report.host}/{report.invocation}", "failure", about
        ):
            await deliveries.done(tx, REPORTS, report.id, result="ignored: this failure was reported before")
            return []
        incident = await incidents.record(tx, report, fingerprint=print_, version=version, log=log)
        return await _taken(tx, report, incident)


async def tick(settings: Settings, store: Store, tick: Tick) -> list[Job]:
    """Take a tick in and return the scan to ring; the same tick is taken once."""
    project, actor = printable(tick.project, keep_newlines=False)[:40], printable(tick.actor)[:100]
    async with store.write() as tx:
        if not await deliveries.add(tx, REPORTS, tick.id, "tick", {"project": project}):
            return []
        if project not in settings.projects:
            reason = _unknown(settings, project)
            await deliveries.done(tx, REPORTS, tick.id, result=f"ignored: {reason}")
            await events.append(tx, "scan.done", f"No scan: {reason}", actor=actor, data={"ignored": reason})
            return []
        args = {"project": project, "tick_id": tick.id, "actor": actor}
        return [await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name="scan", args=args))]


def branch_of(unit: str, fingerprint: str) -> str:
    """Return the branch of an incident's first proposal."""
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._@-]", "-", unit))
    return f"pimainteno/fix/{name[:UNIT_LIMIT].lstrip('.')}-{fingerprint[:8]}"


def _tidied(report: Failure, redactor: Redactor) -> Failure:
    """Return the report with what others sent made harmless.

    One line a field, no secret in it, and no clock ahead of ours.
    """
    fields = {
        name: redactor.text(printable(getattr(report, name), keep_newlines=False))[:limit]
        for name, limit in _FIELD_LIMITS.items()
    }
    at, log = min(report.at, now()), report.log[-2 * LOG_LIMIT :]
    return report.model_copy(update={**fields, "at": at, "log": log})


def _wrong(settings: Settings, report: Failure) -> str | None:
    if report.project not in settings.projects:
        return _unknown(settings, report.project)
    if report.project not in settings.project_of_unit(report.unit):
        project, unit = report.project, report.unit
        return f"unit {unit!r} is not one of project {project!r}: add it to [projects.{project}] units"
    return None


def _unknown(settings: Settings, project: str) -> str:
    known = ", ".join(sorted(settings.projects)) or "none"
    remedy = f"add [projects.{project}] here, or correct it where it is reported"
    return f"there is no project {project!r} (known: {known}): {remedy}"


async def _ignore_failure(store: Store, report: Failure, about: dict[str, str], reason: str) -> None:
    async with store.write() as tx:
        if not await deliveries.add(tx, REPORTS, report.id, "failure", about):
            return
        await deliveries.done(tx, REPORTS, report.id, result=f"ignored: {reason}")
        await events.append(
            tx,
            "failure.seen",
            f"Ignored: {reason}",
            project=report.project,
            actor=report.actor,
            host=report.host,
            data={"unit": report.unit, "host": report.host, "delivery": report.id, "ignored": reason},
        )


async def _log(store: Store, redactor: Redactor, report: Failure, fingerprint: str) -> str:
    """Return the log as it is kept, where it will be: a known incident keeps its first one."""
    async with store.read() as tx:
        known = await incidents.find(tx, report.project, fingerprint)
    return "" if known is not None and known.state == "open" else kept_log(report.log, redactor)


def kept_log(log: str, redactor: Redactor) -> str:
    """Return the end of a log, `LOG_LIMIT` bytes at most, printable and without secrets."""
    text = redactor.text(printable(log)).encode()
    if len(text) <= LOG_LIMIT:
        return text.decode()
    end = text[-LOG_LIMIT:].decode(errors="ignore")
    return end.split("\n", 1)[1] if "\n" in end else end


async def _taken(tx: Tx, report: Failure, incident: Incident) -> list[Job]:
    """Decide by the incident's latest proposal whether there is something to do, and write it all down."""
    known = await proposals.latest_for_incident(tx, incident.id)
    if known is None or _is_over(known):
        proposal, started = await _new(tx, incident), True
    else:
        proposal, started = known, await _may_try_again(tx, known)
    counted = "" if started else f"; counted, proposal {proposal.id} is {proposal.state}"
    await _tell(tx, report, incident, proposal, counted)
    result = "proposal" if started else "counted"
    await deliveries.done(tx, REPORTS, report.id, result=result, proposal_id=proposal.id)
    return [await _run(tx, proposal)] if started else []


def _is_over(latest: Proposal) -> bool:
    """Tell whether another failure asks for a new proposal: what a person closed stays closed."""
    if latest.state is ProposalState.CLOSED:
        return latest.snoozed_until is not None and latest.snoozed_until <= now()
    return latest.state is ProposalState.MERGED


async def _may_try_again(tx: Tx, latest: Proposal) -> bool:
    if latest.state in ACTIVE or latest.state is ProposalState.CLOSED:
        return False
    last = await runs.latest(tx, latest.id)
    ended = (last.finished_at if last else None) or latest.updated_at
    return now() - ended > TRY_AGAIN_AFTER


async def _new(tx: Tx, incident: Incident) -> Proposal:
    branch = await proposals.free_branch(tx, incident.project, branch_of(incident.unit, incident.fingerprint))
    return await proposals.create(
        tx,
        project=incident.project,
        kind=Kind.FIX,
        branch=branch,
        title=f"Repair {incident.unit}"[:100],
        incident=incident,
    )


async def _run(tx: Tx, proposal: Proposal) -> Job:
    if proposal.state is not ProposalState.WORKING:  # the reason stays: it says what was tried last
        proposal = await proposals.update(tx, proposal.id, state=ProposalState.WORKING, opened_at=None)
    run = await runs.create(tx, proposal)
    return await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name="start", args={"run_id": run.id}))


async def _tell(tx: Tx, report: Failure, incident: Incident, proposal: Proposal, counted: str) -> None:
    status = f", exit status {report.exit_status}" if report.exit_status else ""
    data = {
        "host": report.host,
        "unit": report.unit,
        "count": incident.count,
        "incident": incident.id,
        "delivery": report.id,
    }
    await events.append(
        tx,
        "failure.seen",
        f"{report.unit} failed on {report.host} ({report.result}{status}){counted}",
        project=report.project,
        proposal=proposal.id,
        actor=report.actor,
        host=report.host,
        data=data,
    )
    if incident.count == 1:
        await events.append(
            tx,
            "incident.opened",
            f"New incident {incident.id}: {report.unit} ({report.result}{status})",
            project=report.project,
            proposal=proposal.id,
            data={"incident": incident.id, "fingerprint": incident.fingerprint},
        )

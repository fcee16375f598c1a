"""From reports to rows: incident, proposal, run. Many share one transaction, and no git: floods are cheap."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import TYPE_CHECKING, TypeVar

from app.core.base import now
from app.core.models import ACTIVE, Job, Kind, NewJob, Proposal, ProposalState
from app.core.queue import RECOVERED, Queue
from app.core.redact import printable
from app.core.reports import LOG_LIMIT, Failure, Recovery, Tick
from app.store import deliveries, events, incidents, jobs, proposals, runs
from worker.publisher.fingerprint import fingerprint
from worker.publisher.seen import tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.core.models import Incident
    from app.core.redact import Redactor
    from app.core.settings import Settings
    from app.store.database import Store, Tx

REPORTS = "reports"
INVOCATIONS = "invocations"
RECOVERIES = "recoveries"
TRY_AGAIN_AFTER = timedelta(hours=1)
UNIT_LIMIT = 60
_FIELD_LIMITS = {"project": 40, "unit": 255, "host": 255, "result": 64, "exit_status": 64, "actor": 100}

R = TypeVar("R", Failure, Recovery)


@dataclass
class _Cause:
    """Failures of one cause that are taken in together, and the log to keep where it is a new one."""

    project: str
    fingerprint: str
    version: int
    failures: list[Failure]
    log: str = ""


async def failures(
    settings: Settings, store: Store, redactor: Redactor, reports: Iterable[Failure]
) -> list[Job]:
    """Take failures in, in one transaction, and return the jobs to ring.

    The same report, or invocation, is taken once.
    """
    tidied = {report.id: _tidied(report, redactor) for report in reports}
    wrong = {key: reason for key, report in tidied.items() if (reason := _wrong(settings, report))}
    causes = await _causes(store, redactor, [r for r in tidied.values() if r.id not in wrong])
    started: list[Job] = []
    async with store.write() as tx:
        new = await deliveries.add_all(tx, REPORTS, "failure", {r.id: _about(r) for r in tidied.values()})
        for reason in dict.fromkeys(wrong.values()):
            if ignored := [r for r in tidied.values() if r.id in new and wrong.get(r.id) == reason]:
                await _ignore(tx, ignored, reason)
        new = await _first_told(tx, [tidied[key] for key in tidied if key in new and key not in wrong])
        for cause in causes:
            if fresh := [report for report in cause.failures if report.id in new]:
                incident = await incidents.record(
                    tx, *fresh, fingerprint=cause.fingerprint, version=cause.version, log=cause.log
                )
                started += await _taken(tx, fresh, incident)
    return started


async def recovery(settings: Settings, store: Store, redactor: Redactor, report: Recovery) -> list[Job]:
    """Write down that a unit came back by itself: no failure, and nothing to do.

    A unit that comes and goes is told of once in an hour of the clock.
    """
    report = _tidied(report, redactor)
    wrong = _wrong(settings, report)
    after_s = round(report.after_s, 1) if isfinite(report.after_s) else 0.0
    text = f"{report.unit} failed on {report.host} and recovered by itself after {after_s:g} s: no failure"
    data = {"unit": report.unit, "host": report.host, "after_s": after_s, "result": report.result}
    hour = now().strftime("%Y-%m-%dT%H")
    async with store.write() as tx:
        if not await deliveries.add(tx, REPORTS, report.id, RECOVERED, _about(report)):
            return []
        result = f"ignored: {wrong}" if wrong else "told"
        if await deliveries.add(tx, RECOVERIES, f"{hour}/{report.host}/{report.unit}", RECOVERED):
            await events.append(
                tx,
                "failure.recovered",
                f"Ignored: {wrong}" if wrong else text,
                project=report.project,
                actor=report.actor,
                host=report.host,
                data=data | ({"ignored": wrong} if wrong else {}),
            )
        elif not wrong:
            result = "not told: once an hour is enough"
        await deliveries.done(tx, REPORTS, report.id, result=result)
    return []


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


def _tidied(report: R, redactor: Redactor) -> R:
    """Return the report with what others sent made harmless.

    One line a field, no secret in it, and no clock ahead of ours.
    """
    fields: dict[str, object] = {
        name: redactor.text(printable(getattr(report, name), keep_newlines=False))[:limit]
        for name, limit in _FIELD_LIMITS.items()
        if hasattr(report, name)
    }
    if isinstance(report, Failure):
        fields["log"] = report.log[-2 * LOG_LIMIT :]
    return report.model_copy(update={**fields, "at": min(report.at, now())})


def _about(report: Failure | Recovery) -> dict[str, str]:
    return {"project": report.project, "unit": report.unit, "host": report.host}


def _wrong(settings: Settings, report: Failure | Recovery) -> str | None:
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


async def _causes(store: Store, redactor: Redactor, reports: Iterable[Failure]) -> list[_Cause]:
    """Sort failures by cause; a known incident keeps its first log, so only others' logs are made ready."""
    causes: dict[tuple[str, str], _Cause] = {}
    for report in reports:
        print_, version = fingerprint(report)
        key = report.project, print_
        causes.setdefault(key, _Cause(report.project, print_, version, [])).failures.append(report)
    if causes:
        async with store.read() as tx:
            known = await incidents.open_among(tx, causes)
        for key in causes.keys() - known:
            causes[key].log = kept_log(causes[key].failures[0].log, redactor)
    return [causes[key] for key in sorted(causes)]  # two writers must not wait for each other


async def _first_told(tx: Tx, reports: list[Failure]) -> set[str]:
    """Return the ids of those whose invocation has not been reported before; note the others as ignored."""
    by_invocation: dict[str, Failure] = {}
    for report in reports:
        if report.invocation:
            by_invocation.setdefault(f"{report.host}/{report.invocation}", report)
    new = await deliveries.add_all(
        tx, INVOCATIONS, "failure", {key: _about(report) for key, report in by_invocation.items()}
    )
    first = {report.id for key, report in by_invocation.items() if key in new}
    first |= {report.id for report in reports if not report.invocation}
    if again := [report.id for report in reports if report.id not in first]:
        await deliveries.done(tx, REPORTS, *again, result="ignored: this failure was reported before")
    return first


async def _ignore(tx: Tx, reports: list[Failure], reason: str) -> None:
    """Note reports that fit no project; those of one reason in one transaction are told of once."""
    first, several = reports[0], f" ({len(reports)} reports)" if len(reports) > 1 else ""
    await deliveries.done(tx, REPORTS, *(r.id for r in reports), result=f"ignored: {reason}")
    await events.append(
        tx,
        "failure.seen",
        f"Ignored: {reason}{several}",
        project=first.project,
        actor=first.actor,
        host=first.host,
        data={"unit": first.unit, "host": first.host, "delivery": first.id, "ignored": reason},
    )


def kept_log(log: str, redactor: Redactor) -> str:
    """Return the end of a log, `LOG_LIMIT` bytes at most, printable and without secrets."""
    text = redactor.text(printable(log)).encode()
    if len(text) <= LOG_LIMIT:
        return text.decode()
    end = text[-LOG_LIMIT:].decode(errors="ignore")
    return end.split("\n", 1)[1] if "\n" in end else end


async def _taken(tx: Tx, reports: list[Failure], incident: Incident) -> list[Job]:
    """Decide by the incident's latest proposal whether there is something to do, and write it all down."""
    known = await proposals.latest_for_incident(tx, incident.id)
    if known is None or _is_over(known):
        proposal, started = await _new(tx, incident), True
    else:
        proposal, started = known, await _may_try_again(tx, known)
    counted = reports[1:] if started else reports
    await tell(tx, reports, incident, proposal, started=started)
    if started:
        await deliveries.done(tx, REPORTS, reports[0].id, result="proposal", proposal_id=proposal.id)
    if counted:
        ids = [report.id for report in counted]
        await deliveries.done(tx, REPORTS, *ids, result="counted", proposal_id=proposal.id)
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

"""What the worker does of a proposal, stage by stage, up to its request on the forge."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from app.core.changes import Answer, Change, Changeset, Usage
from app.core.models import Incident, Kind, ProposalState
from app.store import events, incidents, proposals, runs
from tests.browser.week.case import PAGES, REPOS, Case
from tests.browser.week.clock import sha
from tests.browser.week.failing import failed, failure
from tests.browser.week.texts import described

if TYPE_CHECKING:
    from app.core.models import Proposal, Run, RunState
    from tests.browser.week.clock import Week

ENDS: dict[ProposalState, RunState] = {
    ProposalState.REFUSED: "refused",
    ProposalState.SKIPPED: "skipped",
    ProposalState.FAILED: "failed",
}


async def begun(week: Week, case: Case) -> tuple[Proposal, Run, Incident | None]:
    digest = hashlib.sha256(f"{case.project} {case.title}".encode()).hexdigest()
    stem = case.unit or "-".join(case.title.lower().split()[:4])
    branch = "codex-md" if case.kind is Kind.SUMMARISE else f"{case.kind}/{stem}-{digest[:8]}"
    incident = None
    async with week.store.write() as tx:
        if case.unit:
            incident = await incidents.record(
                tx, failure(week, case, 0), fingerprint=f"1:{digest}", version=1, log=case.log
            )
        proposal = await proposals.create(
            tx,
            project=case.project,
            kind=case.kind,
            branch=await proposals.free_branch(tx, case.project, f"pimainteno/{branch}"),
            title=case.title,
            incident=incident,
        )
        run = await runs.create(tx, proposal)
        run = await runs.update(tx, run.id, base_sha=sha(case, "base"))
        await proposals.update(tx, proposal.id, base_sha=sha(case, "base"))
    week.ids[case.title] = proposal.id
    if incident is not None:
        await failed(week, case, proposal, incident, 0)
        await week.say(
            "incident.opened",
            f"New incident {incident.id}: {case.unit} ({case.result})",
            project=case.project,
            proposal=proposal.id,
            data={"incident": incident.id, "fingerprint": incident.fingerprint},
        )
    return proposal, run, incident


async def started(week: Week, proposal: Proposal, run: Run) -> None:
    async with week.store.write() as tx:
        await runs.update(tx, run.id, state="working", started_at=week.moment)
    text = f"Run {run.id} ({run.kind}) started on {(run.base_sha or '')[:12]}"
    await week.say("run.started", text, project=proposal.project, proposal=proposal.id, run=run.id)


async def made(week: Week, case: Case, proposal: Proposal, run: Run) -> None:
    taken, cached, given = case.tokens
    answer = Answer(
        verdict=case.verdict,
        title=case.title,
        cause=case.cause,
        change=case.change,
        risk=case.risk,
        confidence=case.confidence,
    )
    change = Change(path="README.md", content=b"what changed\n")
    async with week.store.write() as tx:
        await runs.update(
            tx,
            run.id,
            state="done" if case.state not in ENDS else "working",
            stage="summary" if case.state not in ENDS else "checks",
            answer=answer if case.kind is not Kind.SUMMARISE else None,
            changeset=Changeset(base=run.base_sha or "a" * 40, changes=(change,)),
            checks=case.checks,
            diff=case.diff,
            codex_md_diff=case.codex_md_diff,
            notes=case.notes,
            model="gpt-5.5",
            usage=Usage(input=taken, cached=cached, output=given),
            finished_at=week.moment,
        )
    files = case.diff.count("diff --git") + bool(case.codex_md_diff)
    text = f"Run {run.id} finished: {files} {'file' if files == 1 else 'files'}, {taken + given:,} tokens"
    await week.say(
        "run.finished",
        text,
        project=case.project,
        proposal=proposal.id,
        run=run.id,
        data={"tokens": taken + given},
    )


async def stopped(week: Week, case: Case, proposal: Proposal, run: Run) -> None:
    waits = case.state is ProposalState.WAITING
    async with week.store.write() as tx:
        if not waits:
            await runs.update(tx, run.id, state=ENDS[case.state], reason=case.reason, finished_at=week.moment)
        await proposals.update(tx, proposal.id, state=case.state, reason=case.reason, checks=case.checks)
    kind = {"refused": "run.refused", "skipped": "run.skipped"}.get(case.state, "run.finished")
    await week.say(
        "proposal.waiting" if waits else kind,
        f"Waiting: {case.reason}" if waits else case.reason,
        project=case.project,
        proposal=proposal.id,
        run=run.id,
        data={} if waits else {"outcome": ENDS[case.state]},
    )


async def opened(week: Week, case: Case, proposal: Proposal, run: Run) -> None:
    number = None if case.forge == "here" else 10 + proposal.id
    ours = f"http://127.0.0.1:8300/proposals/{proposal.id}"
    url = PAGES[case.forge].format(repo=REPOS[case.project], number=number) if number else ours
    async with week.store.write() as tx:
        await runs.update(tx, run.id, stage="open", commit_sha=sha(case, "head"))
        await proposals.pushed(tx, proposal.id, sha(case, "head"))
        await proposals.update(
            tx,
            proposal.id,
            state=ProposalState.OPEN,
            url=url,
            number=number,
            head_sha=sha(case, "head"),
            draft=case.draft,
            checks=case.checks,
            codex_md_diff=case.codex_md_diff,
            body=described(case.unit or case.project, case.cause, case.change),
        )
        await events.append(
            tx,
            "proposal.opened",
            f"Opened: {case.title}",
            project=case.project,
            proposal=proposal.id,
            run=run.id,
            data={"url": url, "branch": proposal.branch, "draft": case.draft},
        )

"""What people ask for, from the page, the HTTP interface and the command line alike.

Each call checks the state, writes the history and adds the job in the caller's transaction; the caller
rings the job afterwards.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal

from app.core.base import now
from app.core.errors import BadRequestError, ConflictError
from app.core.models import Job, NewJob, Proposal, ProposalState
from app.core.queue import Queue
from app.store import events, jobs, pauses, proposals

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

Action = Literal["merge", "close", "retry", "snooze"]

_S = ProposalState
ALLOWED: dict[Action, frozenset[ProposalState]] = {
    "merge": frozenset({_S.OPEN}),
    "close": frozenset({_S.WORKING, _S.WAITING, _S.OPEN}),
    "retry": frozenset({_S.REFUSED, _S.SKIPPED, _S.FAILED, _S.CLOSED, _S.WAITING, _S.OPEN}),
    "snooze": frozenset(_S) - {_S.MERGED},
}
"""In which states a proposal takes which action; retry opens a closed one again."""

_DONE = {"merge": "merged", "close": "closed", "retry": "retried", "snooze": "snoozed"}


async def request(
    tx: AsyncConnection,
    action: Action,
    proposal_id: int,
    *,
    actor: str,
    local: bool = False,
    discard: bool = False,
    until: datetime | None = None,
    seen: str | None = None,
) -> Job:
    """Ask for an action on a proposal and return its job; the same request again returns the pending one.

    `local` tells that the project is on the local forge, the only one where we merge; `discard` goes with
    retry, `until` with snooze; `seen` is the mark of what a person decided upon. Raises NotFoundError,
    ConflictError or BadRequestError.
    """
    proposal = await proposals.get(tx, proposal_id, lock=True)
    if seen is not None:
        await _check_unchanged(tx, proposal, action, seen)
    args = _args(action, proposal_id, discard=discard, until=until)
    if known := await jobs.pending(tx, action, proposal_id):
        if {key: value for key, value in known.args.items() if key != "actor"} == args:
            return known
        raise ConflictError(f"Another {action} of proposal {proposal_id} is under way: wait until it is done")
    _check(action, proposal, local=local)
    end = f" until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if until else ""
    told = {key: value for key, value in args.items() if key != "proposal_id"}
    await events.append(
        tx,
        f"operator.{action}",
        f"{actor} asked to {action} proposal {proposal_id}{end}",
        project=proposal.project,
        proposal=proposal_id,
        actor=actor,
        data=told,
    )
    return await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name=action, args={**args, "actor": actor}))


def mark(proposal: Proposal) -> str:
    """Return what a decision rests on: where a proposal stands, and the commits on its branch."""
    return ".".join((proposal.state, (proposal.head_sha or "")[:12], (proposal.foreign_sha or "")[:12]))


def allowed(action: Action, proposal: Proposal, *, local: bool) -> bool:
    """Tell whether a proposal takes an action now, for instance to show its button."""
    return proposal.state in ALLOWED[action] and (local or action != "merge")


async def pause(tx: AsyncConnection, reason: str, actor: str) -> bool:
    """Stop all runs and write that down; False where they were stopped already."""
    changed = await pauses.set_(tx, reason, actor)
    if changed:
        await events.append(tx, "operator.pause", f"{actor} paused all runs: {reason}", actor=actor)
    return changed


async def resume(tx: AsyncConnection, actor: str) -> bool:
    """Let runs start again and write that down; False where nothing was stopped."""
    changed = await pauses.clear(tx)
    if changed:
        await events.append(tx, "operator.resume", f"{actor} let the runs go on", actor=actor)
    return changed


def _args(action: Action, proposal_id: int, *, discard: bool, until: datetime | None) -> dict[str, Any]:
    args: dict[str, Any] = {"proposal_id": proposal_id}
    if action == "retry":
        args["discard"] = discard
    if action == "snooze":
        if until is None or until <= now():
            raise BadRequestError("snooze needs a time in the future")
        args["until"] = until.isoformat()
    return args


def _check(action: Action, proposal: Proposal, *, local: bool) -> None:
    if action == "merge" and not local:
        raise ConflictError(
            f"Proposal {proposal.id} is merged on its forge: {proposal.url or proposal.project}"
        )
    if proposal.state not in ALLOWED[action]:
        *others, last = (state for state in ProposalState if state in ALLOWED[action])
        states = f"{', '.join(others)} or {last}" if others else last
        raise ConflictError(
            f"Proposal {proposal.id} is {proposal.state}: only one that is {states} can be {_DONE[action]}"
        )


async def _check_unchanged(tx: AsyncConnection, proposal: Proposal, action: Action, seen: str) -> None:
    """Raise ConflictError where it is another by now, or someone asked for something else meanwhile."""
    if seen != mark(proposal):
        before = seen.partition(".")[0]
        known = before in set(ProposalState) and before != proposal.state
        why = f" ({proposal.reason[:200]})" if proposal.reason else ""
        how = f"was {before} and is {proposal.state} now{why}" if known else "has other commits now"
        raise ConflictError(
            f"Proposal {proposal.id} changed since you opened its page: it {how}. Nothing was done"
        )
    for job in await jobs.requested(tx, ALLOWED.keys() - {action}, proposal.id):
        who = job.args.get("actor") or "someone"
        raise ConflictError(
            f"{who} has asked to {job.name} proposal {proposal.id} meanwhile: wait until that is done"
        )

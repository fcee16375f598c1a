"""The failure and its report: the watcher's, which sees it over D-Bus; without a systemd, the demo's own."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from app.commands.base import actor
from app.commands.following import delivery
from app.commands.screen import say
from app.core.errors import PimaintenoError
from app.core.reports import Failure
from app.demo import service
from app.demo.project import NAME, UNIT
from app.store import events, incidents

if TYPE_CHECKING:
    from app.core.models import Event
    from app.demo.service import Manager, Ran
    from app.demo.stage import Stage
    from app.store.database import Store

POLL_S = 0.1
WATCHES_WITHIN_S = 10.0
REPORTED_WITHIN_S = 15.0
WATCHER = "watcher"
"""Who the history says reported it."""


async def reported(stage: Stage) -> int:
    """Let the service fail, see to its report, and return the proposal that comes of it."""
    if stage.manager is None:
        return await _handed_in(stage, await service.run(stage.project.checkout))
    if not await stage.parts.watching(WATCHES_WITHIN_S):
        _instead(stage, "The watcher cannot watch here")
        return await _handed_in(stage, await service.run(stage.project.checkout, stage.manager))
    return await _watched(stage, stage.manager)


async def _watched(stage: Stage, manager: Manager) -> int:
    """Let the unit fail and leave it so until the watcher has reported it."""
    async with service.unit(stage.project.checkout, manager) as ran:
        _tell(stage, ran)
        stage.steps.busy("waiting for the watcher")
        try:
            async with asyncio.timeout(REPORTED_WITHIN_S):
                seen = await stage.parts.unless_ended(_by_the_watcher(stage.store))
        except TimeoutError:
            _instead(stage, f"The watcher's report did not come within {REPORTED_WITHIN_S:.0f} s")
            again = await service.run(stage.project.checkout)  # what the unit printed is in the journal
            stage.steps.step("Run once more, as a child process, for what it prints; its last line:")
            _quote(_last_words(again.output))
            return await _sent(stage, replace(ran, output=again.output))
    proposal_id = _proposal(seen)
    async with stage.store.read() as tx:
        incident = await incidents.get(tx, seen.data["incident"])
    stage.steps.step("The watcher saw it over D-Bus and reported it; the last line of the log that it sent:")
    _quote(_last_words(incident.log))
    return proposal_id


async def _handed_in(stage: Stage, ran: Ran) -> int:
    _tell(stage, ran, "; its last line:")
    _quote(_last_words(ran.output))
    return await _sent(stage, ran)


async def _sent(stage: Stage, ran: Ran) -> int:
    """Report as a watcher does; intake takes an invocation once, whoever else reports it."""
    report = Failure(
        project=NAME,
        unit=UNIT,
        host=socket.gethostname() if ran.invocation else "this-machine",
        result=ran.result,
        exit_status=ran.exit_status,
        invocation=ran.invocation,
        log=ran.output,
        actor=actor(),
    )
    await stage.bell.failure(report)
    stage.steps.step("The failure is reported through the queue")
    stage.steps.busy("waiting for the worker")
    known = await stage.parts.unless_ended(delivery(stage.store, report.id))
    if known.proposal_id is not None:
        return known.proposal_id
    if (seen := await _seen(stage.store)) is not None:  # the watcher's came at the last moment
        return _proposal(seen)
    raise PimaintenoError(f"no proposal came of the report: {known.result}")


async def _by_the_watcher(store: Store) -> Event:
    while (seen := await _seen(store)) is None:  # noqa: ASYNC110 - it is written by another process
        await asyncio.sleep(POLL_S)
    return seen


async def _seen(store: Store) -> Event | None:
    """Return what the history says of a report by the watcher."""
    async with store.read() as tx:
        told, _ = await events.page(tx, project=NAME, newest_first=False)
    return next((each for each in told if each.kind == "failure.seen" and each.actor == WATCHER), None)


def _proposal(seen: Event) -> int:
    if seen.proposal is None:
        raise PimaintenoError(f"no proposal came of the watcher's report: {seen.text}")
    return seen.proposal


def _tell(stage: Stage, ran: Ran, more: str = "") -> None:
    stage.steps.step(f"{UNIT} runs as {ran.how}")
    if not ran.failed:
        raise PimaintenoError(f"the service of the demo did not fail here:\n{ran.output}")
    stage.steps.step(f"It fails for real: {ran.result}, exit status {ran.exit_status}{more}")


def _instead(stage: Stage, what: str) -> None:
    stage.steps.step(f"{what}, so the demo reports in its place. The watcher's log says:")
    _quote(stage.parts.trouble() or "(nothing of it)")


def _quote(line: str) -> None:
    say(f"          {line}")


def _last_words(log: str) -> str:
    """Return the last line that the service itself printed: systemd's own name the unit."""
    own = [line for line in log.splitlines() if line.strip() and not line.startswith(f"{UNIT}:")]
    return own[-1] if own else "(nothing)"

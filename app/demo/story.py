"""The demo from its beginning to its end, one step after another."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from app.commands.base import DONE, FAILED
from app.commands.following import CODES, History
from app.commands.screen import say, warn
from app.core.errors import PimaintenoError
from app.core.models import ProposalState
from app.demo import failure, house, project, service
from app.demo.stage import staged
from app.store import pauses, proposals

if TYPE_CHECKING:
    from app.core.models import Proposal
    from app.core.settings import CodexSettings
    from app.demo.stage import Stage

POLL_S = 0.25
SCRIPTED_LIMIT_S = 300.0
LIVE_SPARE_S = 600.0
SCRIPTED = (
    "The model is SCRIPTED: what it says and types is written down in app/demo/script.py, so that no account "
    "and no key is needed. All else is real: the failing service, Redis, SQLite, git, the Codex CLI, its "
    "sandbox, and the checks that prove the repair."
)
LIVE = "The model is the real one of your configuration: this costs tokens."
GOES_ON = "Merge it on its page, or look around. Ctrl-C ends the demo and leaves nothing behind."


async def tell(config: str | None, *, once: bool, live: bool, port: int | None) -> int:
    """Tell the story; return 0 when the proposal is open and its check is proven, else 1."""
    codex = house.real_model(config) if live else None
    with house.port(port) as page:
        return await _tell(codex, page, once=once)


async def _tell(codex: CodexSettings | None, page: int, *, once: bool) -> int:
    say("PiMainteno: from a failed service to a proposal with its proof.")
    say(LIVE if codex else SCRIPTED)
    say()
    async with staged(codex, page) as stage:
        limit_s = codex.timeout_s + LIVE_SPARE_S if codex else SCRIPTED_LIMIT_S
        try:
            async with asyncio.timeout(limit_s):
                proposal_id = await failure.reported(stage)
                proposal = await stage.parts.unless_ended(_at_rest(stage, proposal_id))
        except TimeoutError:
            raise PimaintenoError(
                f"no proposal within {limit_s:.0f} s; the log ends:\n{stage.parts.log()}"
            ) from None
        code = _conclude(stage, proposal, once=once)
        if code == DONE and not once:
            await _stay_up(stage, proposal)
        stage.steps.busy("taking everything away again")
        return code


async def _at_rest(stage: Stage, proposal_id: int) -> Proposal:
    """Follow the proposal to its rest; a pause means that nobody will mend it here, so it ends the demo."""
    history = History(stage.store, 0, proposal=proposal_id)
    while True:
        async with stage.store.read() as tx:
            proposal, pause = await proposals.get(tx, proposal_id), await pauses.get(tx)
        await history.show(stage.steps)
        if proposal.state in CODES:
            return proposal
        if pause is not None:
            raise PimaintenoError(f"the worker stopped all runs: {pause.reason}")
        stage.steps.busy(f"{proposal.state}{': ' + proposal.reason if proposal.reason else ''}")
        await asyncio.sleep(POLL_S)


def _conclude(stage: Stage, proposal: Proposal, *, once: bool) -> int:
    if proposal.state is not ProposalState.OPEN:
        warn(f"the proposal is {proposal.state}: {proposal.reason or 'no reason is recorded'}")
        return FAILED
    say()
    say(f"Proposal {proposal.id}, {proposal.kind} on branch {proposal.branch}: {proposal.title}")
    for check in proposal.checks:
        say(f"  check `{check.command}`: {check.before} before, {check.after} after")
    if not proven(proposal):
        warn("the proposal is open, but no check failed before and passed after it: it is not proven")
        return FAILED
    say("Proven: with this change, and only with it, all checks pass.")
    if not once:
        say(GOES_ON)
    say(f"{stage.settings.public_url}/proposals/{proposal.id}")
    return DONE


def proven(proposal: Proposal) -> bool:
    """Tell whether the checks show the failure before and none after the change."""
    return all(check.after == "pass" for check in proposal.checks) and any(
        check.proves for check in proposal.checks
    )


async def _stay_up(stage: Stage, proposal: Proposal) -> None:
    """Leave the page up until Ctrl-C, telling what happens; after a merge, run the service again."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    after = asyncio.create_task(stage.parts.unless_ended(_after_merge(stage, proposal)))
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([after, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in (after, stopping):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await after


async def _after_merge(stage: Stage, proposal: Proposal) -> None:
    from app.commands.following import newest_event

    history = History(stage.store, await newest_event(stage.store), proposal=proposal.id)
    merged = False
    while True:
        async with stage.store.read() as tx:
            proposal = await proposals.get(tx, proposal.id)
        await history.show(stage.steps)
        if proposal.state is ProposalState.MERGED and not merged:
            merged = True
            await stage.project.pull()
            ran = await service.run(stage.project.checkout, stage.manager)
            stage.steps.step(f"The checkout has the repair; {project.UNIT} runs again: {ran.result}")
        stage.steps.busy(f"{stage.settings.public_url}/proposals/{proposal.id} (Ctrl-C ends the demo)")
        await asyncio.sleep(POLL_S)

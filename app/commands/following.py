"""Waiting for what came of a report: its delivery, then its proposal, printing history as steps."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.commands.base import DONE, FAILED, NOTHING
from app.commands.screen import Steps, say, warn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.core.models import Delivery, Proposal
    from app.core.queue import Bell, Queue
    from app.store.database import Store

POLL_S = 0.25
WORKER_WITHIN_S = 10.0
CODES = {
    "open": DONE,
    "merged": DONE,
    "closed": NOTHING,
    "skipped": NOTHING,
    "refused": FAILED,
    "failed": FAILED,
}
"""The exit code for each state in which a proposal rests."""


@dataclass
class History:
    """Prints the events of one proposal or project that are newer than `after`."""

    store: "Store"
    after: int
    project: str | None = None
    proposal: int | None = None

    async def show(self, steps: Steps) -> None:
        """Print what is new."""
        from app.store import events

        async with self.store.read() as tx:
            new, _ = await events.page(
                tx, project=self.project, proposal=self.proposal, after=self.after, newest_first=False
            )
        for event in new:
            self.after = event.id
            steps.step(event.text, at=event.at)


async def newest_event(store: "Store") -> int:
    """Return the id of the last event, to show only what follows; 0 where there is none."""
    from app.store import events

    async with store.read() as tx:
        newest, _ = await events.page(tx, limit=1)
    return newest[0].id if newest else 0


async def worker_seen(bell: "Bell", queue: "Queue", *, within_s: float = WORKER_WITHIN_S) -> bool:
    """Tell whether a worker serves the queue, giving it time to come up; at once where one does."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await until(lambda: bell.has_worker(queue))
            return True
    return False


async def until(true: "Callable[[], Awaitable[object]]", *, every_s: float = POLL_S) -> None:
    """Ask again and again until the answer is yes; for what nobody announces."""
    while not await true():  # noqa: ASYNC110 - no event to wait for: it happens in another process
        await asyncio.sleep(every_s)


async def delivery(store: "Store", report_id: str) -> "Delivery":
    """Wait until intake, or a scan, has said what a report came to."""
    while True:
        if found := await _answered(store, report_id):
            return found
        await asyncio.sleep(POLL_S)


async def _answered(store: "Store", report_id: str) -> "Delivery | None":
    from app.store import deliveries

    async with store.read() as tx:
        found = await deliveries.get(tx, "reports", report_id)
    return found if found is not None and found.result is not None else None


async def at_rest(store: "Store", proposal_id: int, history: History, steps: Steps) -> "Proposal":
    """Wait until a proposal is open or ended; while it waits at a limit, wait on."""
    from app.store import proposals

    while True:
        async with store.read() as tx:
            proposal = await proposals.get(tx, proposal_id)
        await history.show(steps)
        if proposal.state in CODES:
            return proposal
        steps.busy(f"{proposal.state}: {proposal.reason}" if proposal.reason else str(proposal.state))
        await asyncio.sleep(POLL_S)


def conclude(proposal: "Proposal") -> int:
    """Print how a proposal stands, its URL last, and return the exit code."""
    code = CODES[proposal.state]
    if code == DONE:
        say(f"Proposal {proposal.id} is {proposal.state}: {proposal.title}")
        say(proposal.url or f"(proposal {proposal.id} has no URL)")
    else:
        warn(f"proposal {proposal.id} is {proposal.state}: {proposal.reason or 'no reason is recorded'}")
    return code

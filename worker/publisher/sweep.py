"""The sweeper: rings for rows that wait too long, and lets go of what no run needs any more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.core import logs
from app.core.errors import NotFoundError
from app.core.models import ACTIVE
from app.core.queue import Queue
from app.store import jobs, proposals, runs, units
from worker.git import commands, folders, names

if TYPE_CHECKING:
    from app.core.queue import Bell
    from app.core.settings import Settings
    from app.store.database import Store

BATCH = 100
QUEUES = frozenset(Queue)
KEPT = "refs/pimainteno/base/"
KEPT_S = 24 * 3600.0
SILENT_HOST = timedelta(days=30)


async def sweep(store: Store, bell: Bell, *, ring_again_s: float) -> int:
    """Ring for each job that is due and was not rung lately; return how many. Raises QueueError."""
    rung = 0
    while True:
        async with store.write() as tx:
            due = await jobs.due(tx, ring_again_s=ring_again_s, limit=BATCH)
        for job in due:
            if job.queue in QUEUES:
                await bell.ring(job.queue, job.id)
            else:
                logs.get().warning("a job is for a queue that this version does not know", job=job.id)
        rung += len(due)
        if len(due) < BATCH:
            return rung


async def tidy(settings: Settings, store: Store) -> int:
    """Let go of the base commits that only ended runs kept alive; return how many. Once a day is enough.

    Jobs that only looked at a forge go too: every few minutes there is another. So do hosts that are no more.
    """
    git = commands.ours(settings)
    async with store.write() as tx:
        await jobs.forget(tx, older_s=KEPT_S)
        await units.forget(tx, projects=settings.projects, silent_for=SILENT_HOST)
    gone = 0
    for project in settings.projects:
        mirror = settings.paths.mirror(project)
        if not folders.there(mirror):
            continue
        refs = (await git("for-each-ref", "--format=%(refname)", KEPT, at=mirror)).decode().split()
        for ref in refs:
            if await _is_over(store, ref.removeprefix(KEPT)):
                await git("update-ref", "-d", "--end-of-options", names.ref(ref), at=mirror)
                gone += 1
    return gone


async def _is_over(store: Store, run_id: str) -> bool:
    if not run_id.isdecimal():
        return False
    try:
        async with store.read() as tx:
            run = await runs.get(tx, int(run_id))
            return (await proposals.get(tx, run.proposal_id)).state not in ACTIVE
    except NotFoundError:
        return True

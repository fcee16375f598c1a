"""What a job's handler is given: settings, the store, redaction, and its hold on the job."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.core.models import Lease, Run
    from app.core.paths import StatePaths
    from app.core.redact import Redactor
    from app.core.settings import Settings
    from app.store.database import Store, Tx


@dataclass(frozen=True)
class Work:
    """One job's surroundings. Nothing in here changes while the job runs."""

    settings: Settings
    paths: StatePaths
    store: Store
    redactor: Redactor
    lease: Lease

    async def hold(self, tx: Tx) -> None:
        """Raise LeaseLostError unless the job is still ours; in the same transaction as a stage's result."""
        from app.store import jobs

        await jobs.hold(tx, self.lease)

    async def still_ours(self) -> None:
        """Raise LeaseLostError unless the job is still ours; right before each write to a forge."""
        async with self.store.write() as tx:  # a lock, where the database has row locks
            await self.hold(tx)

    async def save(self, run: Run, **columns: object) -> Run:
        """Write a stage's result to the run's row, if the job is still ours, and return the row."""
        from app.store import runs

        async with self.store.write() as tx:
            await self.hold(tx)
            return await runs.update(tx, run.id, **columns)

    @asynccontextmanager
    async def timed(self, run: Run, stage: str) -> AsyncIterator[None]:
        """Log and count how many seconds a stage took, if it ended well."""
        from app.store import tallies

        started = time.monotonic()
        yield
        seconds = round(time.monotonic() - started, 3)
        logs.get().info("stage done", run=run.id, stage=stage, seconds=seconds)
        async with self.store.write() as tx:
            await tallies.took(tx, stage, seconds)

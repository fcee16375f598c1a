"""The table `runs`: the agent's attempts, stage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select
from sqlalchemy import update as sql_update

from app.core.base import now
from app.core.changes import Usage
from app.core.errors import NotFoundError
from app.core.models import Kind, Proposal, Run
from app.store.tables import runs

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

HEAVY = ("changeset", "summary")


async def create(tx: AsyncConnection, proposal: Proposal, *, kind: Kind | None = None, retry: int = 0) -> Run:
    """Add a queued run for a proposal, of the proposal's kind where none is given."""
    new = insert(runs).values(
        proposal_id=proposal.id,
        project=proposal.project,
        kind=kind or proposal.kind,
        state="queued",
        retry=retry,
    )
    return _run((await tx.execute(new.returning(runs))).mappings().one())


async def get(tx: AsyncConnection, run_id: int) -> Run:
    """Return a run; NotFoundError where there is none."""
    row = (await tx.execute(select(runs).where(runs.c.id == run_id))).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no run {run_id}")
    return _run(row)


async def latest(tx: AsyncConnection, proposal_id: int, *, whole: bool = True) -> Run | None:
    """Return the newest run of a proposal; not `whole` is without its files, which may be megabytes."""
    columns = select(runs) if whole else select(*(column for column in runs.c if column.name not in HEAVY))
    query = columns.where(runs.c.proposal_id == proposal_id).order_by(runs.c.id.desc()).limit(1)
    row = (await tx.execute(query)).mappings().one_or_none()
    return _run(row) if row else None


async def latest_with_changes(tx: AsyncConnection, proposal_id: int) -> Run | None:
    """Return the newest run of a proposal that made something."""
    made = (runs.c.proposal_id == proposal_id) & runs.c.changeset.is_not(None)
    row = (await tx.execute(select(runs).where(made).order_by(runs.c.id.desc()).limit(1))).mappings()
    found = row.one_or_none()
    return _run(found) if found else None


async def update(tx: AsyncConnection, run_id: int, **columns: Any) -> Run:  # noqa: ANN401
    """Set columns, models included; `usage` also sets the tokens that count for the daily limit."""
    usage = columns.get("usage")
    if isinstance(usage, Usage):
        columns |= {"tokens": usage.total, "tokens_at": now()}
    query = sql_update(runs).where(runs.c.id == run_id).values(**columns).returning(runs)
    row = (await tx.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no run {run_id}")
    return _run(row)


async def tokens_since(tx: AsyncConnection, since: datetime) -> int:
    """Return the tokens of all runs that spent some since then, what they spent before included."""
    query = select(func.coalesce(func.sum(runs.c.tokens), 0)).where(runs.c.tokens_at >= since)
    return int(await tx.scalar(query) or 0)


def _run(row: RowMapping) -> Run:
    return Run.model_validate(dict(row))

"""The table `tallies`: counters of what is too much to count each time. Triggers keep most of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from app.store.tables import tallies
from app.store.upsert import insert

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

QUARTER_S = 900
FAILURES, DELIVERIES, STAGES, STAGE_SECONDS = "failures", "deliveries", "stages", "stage_seconds"
BOUNDS_S = (1, 5, 15, 60, 300, 900, 1800, 3600)
"""Upper ends of what the durations of stages are sorted into."""
LONGER = "+Inf"


async def add(tx: AsyncConnection, name: str, subject: str, label: str, value: float) -> None:
    """Add to a counter of all time."""
    new = insert(tx, tallies).values(name=name, at=0, subject=subject, label=label, value=value)
    key = ["name", "at", "subject", "label"]
    await tx.execute(new.on_conflict_do_update(index_elements=key, set_={"value": tallies.c.value + value}))


async def took(tx: AsyncConnection, stage: str, seconds: float) -> None:
    """Count that a stage ended, and how long it took."""
    bound = next((str(each) for each in BOUNDS_S if seconds <= each), LONGER)
    await add(tx, STAGES, stage, bound, 1)
    await add(tx, STAGE_SECONDS, stage, "", seconds)


async def totals(tx: AsyncConnection, name: str) -> dict[tuple[str, str], float]:
    """Return a counter of all time by subject and label."""
    query = select(tallies.c.subject, tallies.c.label, tallies.c.value)
    rows = await tx.execute(
        query.where(tallies.c.name == name, tallies.c.at == 0).order_by(*query.selected_columns[:2])
    )
    return {(row.subject, row.label): row.value for row in rows}


async def since(tx: AsyncConnection, name: str, start: datetime) -> int:
    """Return how much was counted since a time, or the quarter of an hour that it lies in."""
    quarter = int(start.timestamp() // QUARTER_S) * QUARTER_S
    counted = select(func.coalesce(func.sum(tallies.c.value), 0))
    return round(await tx.scalar(counted.where(tallies.c.name == name, tallies.c.at >= max(quarter, 1))) or 0)

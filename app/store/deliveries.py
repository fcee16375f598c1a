"""The table `deliveries`: each message from outside once, with what came of it; headers, not bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from app.core.models import Delivery, now
from app.store.tables import deliveries
from app.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


async def add(
    tx: AsyncConnection, source: str, delivery_id: str, event: str, headers: Mapping[str, str] | None = None
) -> bool:
    """Note a delivery; False where it is known, which forges' redeliveries and watchers' repeats are."""
    new = insert(tx, deliveries).values(
        source=source, delivery_id=delivery_id, event=event, headers=dict(headers or {}), received_at=now()
    )
    once = new.on_conflict_do_nothing(index_elements=["source", "delivery_id"]).returning(deliveries.c.id)
    return await tx.scalar(once) is not None


async def done(
    tx: AsyncConnection, source: str, delivery_id: str, *, result: str, proposal_id: int | None = None
) -> None:
    """Note what came of a delivery."""
    ours = (deliveries.c.source == source) & (deliveries.c.delivery_id == delivery_id)
    await tx.execute(
        update(deliveries).where(ours).values(result=result, proposal_id=proposal_id, done_at=now())
    )


async def get(tx: AsyncConnection, source: str, delivery_id: str) -> Delivery | None:
    """Return a delivery, if it has arrived."""
    ours = (deliveries.c.source == source) & (deliveries.c.delivery_id == delivery_id)
    row = (await tx.execute(select(deliveries).where(ours))).mappings().one_or_none()
    return Delivery.model_validate(dict(row)) if row else None

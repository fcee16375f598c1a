"""The table `deliveries`: each message from outside once, with what came of it; headers, not bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from app.core.base import now
from app.core.models import Delivery
from app.store.tables import deliveries
from app.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


async def add(
    tx: AsyncConnection, source: str, delivery_id: str, event: str, headers: Mapping[str, str] | None = None
) -> bool:
    """Note a delivery; False where it is known, which forges' redeliveries and watchers' repeats are."""
    return bool(await add_all(tx, source, event, {delivery_id: headers or {}}))


async def add_all(
    tx: AsyncConnection, source: str, event: str, headers: Mapping[str, Mapping[str, str]]
) -> set[str]:
    """Note deliveries by their ids; return the ids of those that were not known."""
    if not headers:
        return set()
    at = now()
    # in one order whoever writes: two writers must not wait for each other
    rows = [
        {
            "source": source,
            "delivery_id": delivery_id,
            "event": event,
            "headers": dict(headers[delivery_id]),
            "received_at": at,
        }
        for delivery_id in sorted(headers)
    ]
    once = insert(tx, deliveries).on_conflict_do_nothing(index_elements=["source", "delivery_id"])
    return set(await tx.scalars(once.returning(deliveries.c.delivery_id), rows))


async def done(
    tx: AsyncConnection, source: str, *delivery_ids: str, result: str, proposal_id: int | None = None
) -> None:
    """Note what came of one delivery, or of several alike."""
    ours = (deliveries.c.source == source) & deliveries.c.delivery_id.in_(delivery_ids)
    await tx.execute(
        update(deliveries).where(ours).values(result=result, proposal_id=proposal_id, done_at=now())
    )


async def get(tx: AsyncConnection, source: str, delivery_id: str) -> Delivery | None:
    """Return a delivery, if it has arrived."""
    ours = (deliveries.c.source == source) & (deliveries.c.delivery_id == delivery_id)
    row = (await tx.execute(select(deliveries).where(ours))).mappings().one_or_none()
    return Delivery.model_validate(dict(row)) if row else None

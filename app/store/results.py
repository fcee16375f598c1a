"""The table `results`: what the model answered, so that the same question is never asked twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.core.base import now
from app.store.tables import results
from app.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


async def get(tx: AsyncConnection, key: str) -> dict[str, Any] | None:
    """Return what is kept under a key."""
    value: dict[str, Any] | None = await tx.scalar(select(results.c.value).where(results.c.key == key))
    return value


async def put(tx: AsyncConnection, key: str, *, kind: str, project: str, value: Mapping[str, Any]) -> None:
    """Keep plain data, or models in it, under a key; replaces what was there."""
    columns = {"kind": kind, "project": project, "value": dict(value), "created_at": now()}
    new = insert(tx, results).values(key=key, **columns)
    await tx.execute(new.on_conflict_do_update(index_elements=["key"], set_=columns))

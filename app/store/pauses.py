"""The table `pauses`: whether a person, or a wrong key, stopped all runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from app.core.base import now
from app.core.models import Pause
from app.store.tables import pauses
from app.store.upsert import insert

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_ALL = "all"


async def set_(tx: AsyncConnection, reason: str, actor: str) -> bool:
    """Stop all runs; False, and the first reason stays, where they are stopped already."""
    new = insert(tx, pauses).values(scope=_ALL, reason=reason, actor=actor, at=now())
    return (
        await tx.scalar(new.on_conflict_do_nothing(index_elements=["scope"]).returning(pauses.c.scope))
        is not None
    )


async def clear(tx: AsyncConnection) -> bool:
    """Let runs start again; False where nothing was stopped."""
    return (await tx.execute(delete(pauses).where(pauses.c.scope == _ALL))).rowcount > 0


async def get(tx: AsyncConnection) -> Pause | None:
    """Return the pause, if there is one."""
    row = (await tx.execute(select(pauses).where(pauses.c.scope == _ALL))).mappings().one_or_none()
    return Pause.model_validate(dict(row)) if row else None

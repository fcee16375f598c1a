"""What keeps a project from its forge until a person mends it: rows of the table `pauses`, one a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from app.core.base import now
from app.store.tables import pauses
from app.store.upsert import insert

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def set_(tx: AsyncConnection, project: str, reason: str) -> bool:
    """Note a trouble; False where just this one is known."""
    if await get(tx, project) == reason:
        return False
    new = insert(tx, pauses).values(scope=_scope(project), reason=reason, actor="pimainteno", at=now())
    await tx.execute(new.on_conflict_do_update(index_elements=["scope"], set_={"reason": reason}))
    return True


async def clear(tx: AsyncConnection, project: str) -> bool:
    """Note that there is none any more; False where there was none."""
    return (await tx.execute(delete(pauses).where(pauses.c.scope == _scope(project)))).rowcount > 0


async def get(tx: AsyncConnection, project: str) -> str | None:
    """Return the trouble, if there is one."""
    found: str | None = await tx.scalar(select(pauses.c.reason).where(pauses.c.scope == _scope(project)))
    return found


def _scope(project: str) -> str:
    return f"project {project}"

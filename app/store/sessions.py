"""The tables `sessions` and `passes`: who is logged in to the page, and what lets somebody in once.

Of each secret only a hash is kept, so that nobody gets in with what stands in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from app.store.tables import passes, sessions
from app.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class Row:
    """One login: who, how they came in, and until when."""

    id: int
    key: str
    name: str
    role: str
    way: str
    mark: str
    peer: str
    agent: str
    created_at: datetime
    seen_at: datetime
    until: datetime


async def add(tx: AsyncConnection, **columns: Any) -> Row:  # noqa: ANN401 - the columns' types
    """Add a session."""
    new = insert(tx, sessions).values(**columns).returning(sessions)
    return _row((await tx.execute(new)).mappings().one())


async def find(tx: AsyncConnection, key: str) -> Row | None:
    """Return the session with that hash, over or not."""
    found = (await tx.execute(select(sessions).where(sessions.c.key == key))).mappings().one_or_none()
    return _row(found) if found else None


async def get(tx: AsyncConnection, number: int) -> Row | None:
    """Return a session by its number."""
    found = (await tx.execute(select(sessions).where(sessions.c.id == number))).mappings().one_or_none()
    return _row(found) if found else None


async def listed(tx: AsyncConnection, *, name: str | None = None, limit: int = 200) -> list[Row]:
    """Return the sessions of one person, or of all, those used last first."""
    query = select(sessions).order_by(sessions.c.seen_at.desc(), sessions.c.id.desc()).limit(limit)
    if name is not None:
        query = query.where(sessions.c.name == name)
    return [_row(each) for each in (await tx.execute(query)).mappings()]


async def saw(tx: AsyncConnection, number: int, at: datetime) -> None:
    """Note when a session was last used."""
    await tx.execute(update(sessions).where(sessions.c.id == number).values(seen_at=at))


async def end(tx: AsyncConnection, *, number: int | None = None, key: str | None = None) -> Row | None:
    """End the session with that number or hash and return it; None where it is gone already."""
    which = sessions.c.id == number if key is None else sessions.c.key == key
    found = (await tx.execute(delete(sessions).where(which).returning(sessions))).mappings().one_or_none()
    return _row(found) if found else None


async def end_others(tx: AsyncConnection, name: str, *, keep: int | None) -> list[Row]:
    """End all sessions of a person but one, and return them."""
    which = sessions.c.name == name
    if keep is not None:
        which &= sessions.c.id != keep
    ended = (await tx.execute(delete(sessions).where(which).returning(sessions))).mappings()
    return [_row(each) for each in ended]


async def prune(tx: AsyncConnection, *, now: datetime, unused_since: datetime, name: str, most: int) -> None:
    """Forget what is over, and of one person all but the newest `most`."""
    await tx.execute(delete(sessions).where((sessions.c.until <= now) | (sessions.c.seen_at <= unused_since)))
    await tx.execute(delete(passes).where(passes.c.until <= now))
    of_one = select(sessions.c.id).where(sessions.c.name == name).order_by(sessions.c.id.desc())
    oldest_kept = await tx.scalar(of_one.offset(most - 1).limit(1))
    if oldest_kept is not None:
        await tx.execute(delete(sessions).where(sessions.c.name == name, sessions.c.id < oldest_kept))


async def add_pass(
    tx: AsyncConnection, key: str, data: Mapping[str, str], *, at: datetime, until: datetime
) -> None:
    """Add what lets somebody in once."""
    await tx.execute(insert(tx, passes).values(key=key, data=dict(data), created_at=at, until=until))


async def look_at_pass(tx: AsyncConnection, key: str, *, at: datetime) -> dict[str, str] | None:
    """Return what a pass is for, without using it up; None where it is unknown, used or over."""
    found: dict[str, str] | None = await tx.scalar(
        select(passes.c.data).where(passes.c.key == key, passes.c.until > at)
    )
    return found


async def take_pass(tx: AsyncConnection, key: str, *, at: datetime) -> dict[str, str] | None:
    """Use a pass up and return what it is for; None where it is unknown, used or over."""
    found: dict[str, str] | None = await tx.scalar(
        delete(passes).where(passes.c.key == key, passes.c.until > at).returning(passes.c.data)
    )
    return found


def _row(found: RowMapping) -> Row:
    return Row(**dict(found))

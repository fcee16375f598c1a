"""Page sessions. They stand in the store, so that they survive a restart and hold for every web process."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from app.core.base import now as present
from app.core.errors import StoreError
from app.web.auth import Caller, PageSession, Role
from app.web.ways import Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.store.database import Store
    from app.store.sessions import Row
    from app.web.ways import Login, Ways

IDLE = timedelta(hours=12)
LIFETIME = timedelta(days=7)
LIFETIMES = {Way.FORGE: timedelta(days=1), Way.PROXY: timedelta(days=1), Way.DEMO: timedelta(hours=12)}
"""Where another says who may come in, we ask again the next day."""
SEEN_EVERY = timedelta(minutes=1)
CACHED_S = 2.0
"""For so long a session that another process has ended may still be taken for one."""
MOST_CACHED = 1000
MOST_OF_ONE = 20
MOST_AGENT = 200
CHANGED = "what let them in has changed in the configuration"


@dataclass
class Session:
    """One login, for the length of a request: what it proves, and a message for the next page."""

    number: int
    way: str
    proof: PageSession
    value: str = field(repr=False)
    until: datetime
    message: str = ""


class Sessions:
    """All page sessions, by the value of their cookie, of which the store has a hash alone."""

    def __init__(
        self,
        store: Store,
        ways: Ways,
        *,
        now: Callable[[], datetime] = present,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._ways = store, ways
        self._now, self._clock = now, clock
        self._cached: OrderedDict[str, tuple[float, Row]] = OrderedDict()

    async def begin(
        self, login: Login, *, instead_of: str | None = None, peer: str = "", agent: str = ""
    ) -> Session:
        """Return a fresh session; the one before it ends. The demo's visitors are not in the history."""
        from app.store import events
        from app.store import sessions as table

        if login.caller.role is None:
            raise ValueError("a session needs a role")
        value, at = secrets.token_urlsafe(32), self._now()
        name, role = login.caller.name, login.caller.role.name.lower()
        async with self._store.write() as tx:
            if instead_of:
                await table.end(tx, key=_key(instead_of))
            await table.prune(tx, now=at, unused_since=at - IDLE, name=name, most=MOST_OF_ONE - 1)
            row = await table.add(
                tx,
                key=_key(value),
                name=name,
                role=role,
                way=login.way,
                mark=self._ways.mark(login.way, name, role, key=value) or "",
                peer=peer,
                agent="".join(c for c in agent if c.isprintable())[:MOST_AGENT],
                created_at=at,
                seen_at=at,
                until=at + LIFETIMES.get(login.way, LIFETIME),
            )
            if login.way != Way.DEMO:
                text = f"{name} logged in as {role}"
                data = {"way": str(login.way), "role": role}
                await events.append(tx, "operator.login", text, actor=name, data=data)
        self._forget(instead_of)
        self._keep(row)
        return _session(row, value)

    async def find(self, value: str | None, *, used: bool = True) -> Session | None:
        """Return the session of a cookie, unless it is unknown, over, or its entry is not what it was."""
        row = await self._row(value) if value else None
        if row is None or not value:
            return None
        at = self._now()
        if row.until <= at or row.seen_at + IDLE <= at:
            return None
        mark = self._ways.mark(row.way, row.name, row.role, key=value)
        if mark is None or not secrets.compare_digest(mark, row.mark):
            await self._ended(row.id, by="pimainteno", why=CHANGED)
            return None
        if used and at - row.seen_at >= SEEN_EVERY:
            await self._saw(row, at)
        return _session(row, value)

    async def leave(self, session: Session) -> None:
        """End a session at the wish of its owner."""
        from app.store import events
        from app.store import sessions as table

        self._forget(session.value)
        async with self._store.write() as tx:
            row = await table.end(tx, number=session.number)
            if row is not None and row.way != Way.DEMO:
                await events.append(tx, "operator.logout", f"{row.name} logged out", actor=row.name)

    async def revoke(self, number: int, *, by: str) -> bool:
        """End any session; False where it is gone already."""
        return await self._ended(number, by=by, why="")

    async def revoke_others(self, name: str, *, keep: int | None) -> int:
        """End all sessions of a person but one; return how many these were."""
        from app.store import events
        from app.store import sessions as table

        async with self._store.write() as tx:
            rows = await table.end_others(tx, name, keep=keep)
            if rows:
                text = f"{name} ended {len(rows)} other login{'s' * (len(rows) != 1)} of their own"
                await events.append(tx, "operator.session_ended", text, actor=name)
        for row in rows:
            self._cached.pop(row.key, None)
        return len(rows)

    async def _ended(self, number: int, *, by: str, why: str) -> bool:
        from app.store import events
        from app.store import sessions as table

        async with self._store.write() as tx:
            row = await table.end(tx, number=number)
            if row is not None:
                text = f"{by} ended a login of {row.name}" + (f": {why}" if why else "")
                await events.append(tx, "operator.session_ended", text, actor=by, data={"of": row.name})
        if row is not None:
            self._cached.pop(row.key, None)
        return row is not None

    async def _row(self, value: str) -> Row | None:
        from app.store import sessions as table

        key = _key(value)
        read_at, row = self._cached.get(key, (0.0, None))
        if row is not None and self._clock() - read_at < CACHED_S:
            return row
        async with self._store.read() as tx:
            found = await table.find(tx, key)
        if found is not None:
            self._keep(found)
        else:
            self._cached.pop(key, None)
        return found

    async def _saw(self, row: Row, at: datetime) -> None:
        """Note the use; a store that cannot be written to just now does not keep anybody from reading."""
        from app.store import sessions as table

        self._keep(replace(row, seen_at=at))
        with suppress(StoreError):
            async with self._store.write() as tx:
                await table.saw(tx, row.id, at)

    def _keep(self, row: Row) -> None:
        self._cached[row.key] = (self._clock(), row)
        self._cached.move_to_end(row.key)
        while len(self._cached) > MOST_CACHED:
            self._cached.popitem(last=False)

    def _forget(self, value: str | None) -> None:
        if value:
            self._cached.pop(_key(value), None)


def _session(row: Row, value: str) -> Session:
    caller = Caller(row.name, Role[row.role.upper()])
    csrf = hashlib.sha256(f"csrf {value}".encode()).hexdigest()
    return Session(row.id, row.way, PageSession(caller, csrf), value, row.until)


def _key(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "backslashreplace")).hexdigest()

"""Who listens to what happens: one look at the history for all streams of a process, and none for none.

The worker is another process, perhaps on another host, so the history's table itself is looked at; its ids
are committed in their order, so that whoever asks for what came after an id misses nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core import logs
from app.core.errors import PimaintenoError, StoreError
from app.core.tasks import end

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.store.database import Store
    from app.store.events import Mark

LOOK_S = 0.25
LOOK_AGAIN_S = 2.0
"""After the database could not be asked."""
ENDS_S = 5
MOST_AT_ONCE = 500
"""Lines between two looks, or since a stream was lost: for more, a page had better be loaded anew."""
MOST_WAITING = 64
"""Messages for one stream that its browser has not taken yet."""
MOST_STREAMS = 1000
UNITS = b'event: changed\ndata: {"event": null, "kind": "units", "project": null, "proposal": null}\n\n'
"""Units are no lines of the history: the message has no id, and leaves the browser's bookmark where it is."""


class TooManyStreamsError(PimaintenoError):
    """A process holds as many streams as it can: 503."""


@dataclass(frozen=True)
class Topic:
    """What a stream is about: everything, a project, a proposal."""

    project: str | None = None
    proposal: int | None = None

    def has(self, mark: Mark) -> bool:
        """Tell whether what happened belongs to it."""
        return self.project in (None, mark.project) and self.proposal in (None, mark.proposal)


@dataclass(eq=False)
class Listener:
    """One stream: what waits for it, and whether it is to end. It gets all that comes after line `since`.

    With `units` it is also told when units change after the change of that number.
    """

    topic: Topic
    since: int
    units: int | None = None
    waiting: deque[bytes] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    slow: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    def give(self, message: bytes) -> None:
        """Put a message behind those that wait; a stream that takes none for too long is cut off."""
        if len(self.waiting) >= MOST_WAITING:
            self.slow.set()
            return
        self.waiting.append(message)
        self.news.set()

    def end(self) -> None:
        """Let the stream end by itself."""
        self.over = True
        self.news.set()

    async def next(self, *, timeout_s: float) -> bytes:
        """Return all that waits; nothing where the time is up, or the stream is over."""
        if not self.waiting and not self.over:
            try:
                async with asyncio.timeout(timeout_s):
                    await self.news.wait()
            except TimeoutError:
                return b""
        self.news.clear()
        found = b"".join(self.waiting)
        self.waiting.clear()
        return found


class Hub:
    """All streams of this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: set[Listener] = set()
        self._looking: asyncio.Task[None] | None = None
        self._deserted = asyncio.Event()
        self._seen = 0
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    def close(self) -> None:
        """End all streams at once, and each that comes later: the server stops."""
        self._closed = True
        self._deserted.set()
        for each in self._listeners:
            each.end()

    async def ended(self) -> None:
        """Wait, after `close`, until no look is under way: one holds a connection to the database."""
        if (looking := self._looking) is not None:
            await asyncio.wait([looking], timeout=ENDS_S)
            await end([looking])  # a database that went dark must not keep the server from stopping

    def has_room(self) -> None:
        """Raise TooManyStreamsError where this process holds as many streams as it can."""
        if len(self._listeners) >= MOST_STREAMS:
            raise TooManyStreamsError(f"{MOST_STREAMS} pages listen already: close some, or try again later")

    @contextmanager
    def listening(self, topic: Topic, newest: int, units: int | None = None) -> Iterator[Listener]:
        """Add a stream until the block ends; `newest` is the last line that its caller has just seen."""
        if not self._listeners:
            self._seen = newest
            self._deserted.clear()
        if self._looking is None and not self._closed:
            self._looking = asyncio.create_task(self._look(), name="live")
        listener = Listener(topic, self._seen, units, over=self._closed)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._deserted.set()

    async def replayed(self, topic: Topic, *, after: int, upto: int) -> bytes:
        """Return what a stream missed between two lines, as messages."""
        from app.store import events

        if after >= upto:
            return b""
        async with self._store.read() as tx:
            missed = await events.marks(
                tx,
                after=after,
                upto=upto,
                project=topic.project,
                proposal=topic.proposal,
                limit=MOST_AT_ONCE + 1,
            )
        return reload_at(upto) if len(missed) > MOST_AT_ONCE else _messages(missed)

    async def newest(self) -> int:
        """Return the id of the last line of the history."""
        from app.store import events

        async with self._store.read() as tx:
            return await events.newest(tx)

    async def _look(self) -> None:
        """Look until nobody listens; never cancelled, for that costs the connection that is at work."""
        away = False
        try:
            while await self._is_heard(LOOK_AGAIN_S if away else LOOK_S):
                try:
                    await self._look_once()
                    await self._look_at_units()
                except StoreError as error:
                    if not away:
                        logs.get().warning("open pages are not told what happens", reason=str(error))
                    away = True
                else:
                    away = False
        finally:
            self._looking = None

    async def _is_heard(self, after_s: float) -> bool:
        """Wait, not longer than somebody listens, and tell whether somebody does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(after_s):
                await self._deserted.wait()
        return bool(self._listeners) and not self._closed

    async def _look_once(self) -> None:
        from app.store import events

        async with self._store.read() as tx:
            new = await events.marks(tx, after=self._seen, limit=MOST_AT_ONCE + 1)
            newest = await events.newest(tx) if len(new) > MOST_AT_ONCE else 0
        if not new or new[-1].id <= self._seen:  # who came meanwhile, and listens alone, has seen it
            return
        if newest:
            self._seen = newest
            for each in self._listeners:
                each.give(reload_at(newest))
            return
        self._seen = new[-1].id
        said: dict[Topic, bytes] = {}
        for each in self._listeners:
            if each.topic not in said:
                said[each.topic] = _messages(mark for mark in new if each.topic.has(mark))
            if said[each.topic]:
                each.give(said[each.topic])

    async def _look_at_units(self) -> None:
        from app.store import units

        asking = [(each, each.units) for each in self._listeners if each.units is not None]
        if not asking:
            return
        async with self._store.read() as tx:
            changed = await units.changed(tx, min(number for _, number in asking))
        for each, known in asking:
            ours = [number for project, number in changed.items() if each.topic.project in (None, project)]
            if (last := max(ours, default=0)) > known:
                each.units = last
                each.give(UNITS)


def reload_at(line: int) -> bytes:
    """Return the message that a page had better be loaded anew."""
    return b"id: %d\nevent: reload\ndata: {}\n\n" % line


def _messages(marks: Iterable[Mark]) -> bytes:
    """Return a message for each; of those of one kind about one thing the last is enough."""
    last = {(mark.kind, mark.project, mark.proposal): mark for mark in marks}
    return b"".join(_message(mark) for mark in sorted(last.values()))


def _message(mark: Mark) -> bytes:
    data = {"event": mark.id, "kind": mark.kind, "project": mark.project, "proposal": mark.proposal}
    return f"id: {mark.id}\nevent: changed\ndata: {json.dumps(data)}\n\n".encode()

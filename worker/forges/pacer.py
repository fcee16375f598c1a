"""How fast we may write to a forge: one write at a time, a second apart, nothing while it asks us to wait.

GitHub's own advice ("Best practices for using the REST API"), which serves GitLab as well: no writes side by
side, a second between two, and after a secondary limit without a time at least a minute, growing.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

PACE_S = 1.0
SECONDARY_S = 60.0
LONGEST_S = 3600.0
LOW = 0.1
"""What part of a quota is little, so that reads are spread over the time until it is full again."""
BREATH_S = 10.0
"""The most that one read waits for that."""


class Pacer:
    """The pace of all writes to one host with one identity; the first is never delayed."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock, self._pause = clock, pause
        self._alone = asyncio.Lock()
        self._free_at = self._asked_until = float("-inf")
        self._secondary_s = SECONDARY_S
        self._left, self._low_until, self._read_at = 0, float("-inf"), float("-inf")

    @property
    def wait_s(self) -> float:
        """How many seconds the forge still wants to be left alone."""
        return max(0.0, self._asked_until - self._clock())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold the only place for a write, at least `PACE_S` after the last one ended."""
        async with self._alone:
            if (early := self._free_at - self._clock()) > 0:
                await self._pause(early)
            try:
                yield
            finally:
                self._free_at = self._clock() + PACE_S

    def asked_to_wait(self, seconds: float) -> float:
        """Remember a limit, 0 for one that did not say how long, and return the seconds to wait."""
        if not seconds:
            seconds, self._secondary_s = self._secondary_s, min(self._secondary_s * 2, LONGEST_S)
        seconds = min(seconds, LONGEST_S)
        self._asked_until = max(self._asked_until, self._clock() + seconds)
        return seconds

    def went_well(self) -> None:
        """Forget how long the last secondary limit was."""
        self._secondary_s = SECONDARY_S

    def noted(self, remaining: int, limit: int, reset_s: float) -> None:
        """Note how many calls are left of a quota, and in how many seconds it is full again."""
        low = remaining < limit * LOW
        self._left, self._low_until = remaining, self._clock() + reset_s if low else float("-inf")

    async def breathe(self) -> None:
        """Wait before a read, so that what is left of a low quota lasts until it is full again."""
        now = self._clock()
        if now >= self._low_until:
            return
        step = (self._low_until - now) / (self._left + 1)
        early = min(self._read_at + step - now, BREATH_S)
        self._read_at = now + max(0.0, early)  # whoever comes meanwhile stands in line behind this one
        if early > 0:
            await self._pause(early)


@lru_cache(maxsize=64)
def of(api_url: str, identity: str) -> Pacer:  # noqa: ARG001 - they are the key
    """Return this process's pacer for one host and one identity there."""
    return Pacer()

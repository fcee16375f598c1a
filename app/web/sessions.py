"""Page sessions and the brake on login attempts; both in memory: a restart logs everybody out."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.web.auth import PageSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.web.auth import Caller

LIFETIME_S = 12 * 3600
MOST_SESSIONS = 1000
ATTEMPTS = 5
ATTEMPTS_OF_ALL = 50
WINDOW_S = 300.0


@dataclass
class Session:
    """One login: what it proves, until when, and a message for the next page."""

    proof: PageSession
    until: float
    message: str = field(default="")


class Sessions:
    """All page sessions. The cookie's value is kept as a hash only; the oldest give way to new ones."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, lifetime_s: float = LIFETIME_S
    ) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._kept: OrderedDict[str, Session] = OrderedDict()

    def begin(self, caller: Caller, *, instead_of: str | None = None) -> tuple[str, Session]:
        """Return a fresh cookie value and its session; the one before it ends."""
        self.end(instead_of)
        self._drop_old()
        value = secrets.token_hex(32)
        session = Session(PageSession(caller, secrets.token_hex(32)), self._clock() + self._lifetime_s)
        self._kept[_key(value)] = session
        return value, session

    def find(self, value: str | None) -> Session | None:
        """Return the session of a cookie, unless it is unknown or over."""
        session = self._kept.get(_key(value)) if value else None
        return session if session is not None and session.until > self._clock() else None

    def end(self, value: str | None) -> None:
        """Forget the session of a cookie."""
        if value:
            self._kept.pop(_key(value), None)

    def _drop_old(self) -> None:
        now = self._clock()
        while self._kept:
            key, session = next(iter(self._kept.items()))
            if session.until > now and len(self._kept) < MOST_SESSIONS:
                return
            del self._kept[key]


class Attempts:
    """Failed logins of the last minutes, by peer and in all."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: deque[tuple[float, str]] = deque(maxlen=ATTEMPTS_OF_ALL)

    def wait_s(self, peer: str) -> float:
        """Return how long this peer must wait before it may try again; 0 is not at all."""
        now = self._clock()
        while self._failed and self._failed[0][0] <= now - WINDOW_S:
            self._failed.popleft()
        of_peer = [at for at, who in self._failed if who == peer]
        if len(of_peer) >= ATTEMPTS:
            return of_peer[-ATTEMPTS] + WINDOW_S - now
        if len(self._failed) >= ATTEMPTS_OF_ALL:
            return self._failed[0][0] + WINDOW_S - now
        return 0.0

    def failed(self, peer: str) -> None:
        """Count one failed login."""
        self._failed.append((self._clock(), peer))


def _key(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()

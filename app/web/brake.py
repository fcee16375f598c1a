"""The brake on logins: what fails is counted in memory, by peer and in all, and too much must wait."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 5
ATTEMPTS_OF_ALL = 50
WINDOW_S = 300.0


class Attempts:
    """Failed logins of the last minutes."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: deque[tuple[float, str]] = deque(maxlen=ATTEMPTS_OF_ALL)

    def wait_s(self, peer: str, *, guessable: bool = True) -> float:
        """Return how long this peer must wait before it may try again; 0 is not at all.

        What nobody can guess does not wait for the failures of others, who could lock everyone out by them.
        """
        now = self._clock()
        while self._failed and self._failed[0][0] <= now - WINDOW_S:
            self._failed.popleft()
        of_peer = [at for at, who in self._failed if who == peer]
        if len(of_peer) >= ATTEMPTS:
            return of_peer[-ATTEMPTS] + WINDOW_S - now
        if guessable and len(self._failed) >= ATTEMPTS_OF_ALL:
            return self._failed[0][0] + WINDOW_S - now
        return 0.0

    def failed(self, peer: str) -> bool:
        """Count one failed login; True where it is the one after which this peer must wait."""
        free = self.wait_s(peer) == 0
        self._failed.append((self._clock(), peer))
        return free and self.wait_s(peer) > 0

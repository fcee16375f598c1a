"""Which failures last: pure, by a monotonic clock that is passed in.

A unit that fails has `settle_s` seconds to come back. Then it is reported, and each round that it fails
from there on at once, until it has held for as long.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchers.units import Round

MOST_ROUNDS = 1000
"""Rounds of one unit that are kept while it settles."""
MOST_UNITS = 20_000
KEPT_S = 10.0
"""A unit that is well is remembered for this long at least."""
CALM = 2.0
"""A restart loop has calmed once it is quiet for this many times its longest pause."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A unit failed and came back by itself, `after_s` seconds later."""

    first: Round
    after_s: float


@dataclass(slots=True)
class _Course:
    """What one unit did since it first failed."""

    last_key: str = ""
    last_at: float = 0.0
    longest_pause: float = 0.0
    fine_since: float | None = None
    at_rest: bool = False
    reported: bool = False
    rounds: list[Round] = field(default_factory=list)


class Settling:
    """The units that failed, and what became of them."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._kept_s = max(settle_s, KEPT_S)
        self._courses: dict[str, _Course] = {}
        self._moments: list[tuple[float, str]] = []
        self._ready: list[Round | Recovered] = []

    def failed(self, round_: Round, now: float) -> None:
        """Note that a unit failed; the same round again is no news."""
        course = self._courses.setdefault(round_.unit, _Course())
        course.at_rest = False
        if course.last_key == round_.key:
            return
        if course.fine_since is not None and now - course.fine_since >= self._settle_s:
            course.reported = False
        if course.last_key:
            course.longest_pause = max(course.longest_pause, now - course.last_at)
        course.last_key, course.last_at, course.fine_since = round_.key, now, None
        if course.reported or self._settle_s == 0:
            course.reported = True
            self._ready.append(round_)
        elif len(course.rounds) < MOST_ROUNDS:
            if not course.rounds:
                self._wake(round_.began + self._settle_s, round_.unit)
            course.rounds.append(round_)
        self._forget_oldest()

    def fine(self, unit: str, now: float) -> None:
        """Note that a unit is up, or has done its work."""
        course = self._courses.get(unit)
        if course is not None and course.fine_since is None:
            course.fine_since, course.at_rest = now, False
            self._wake(now + self._kept_s, unit)

    def under_way(self, unit: str) -> None:
        """Note that a unit starts or stops: what it was before counts no more."""
        if (course := self._courses.get(unit)) is not None:
            course.fine_since, course.at_rest = None, False

    def at_rest(self, unit: str, invocation: str, now: float) -> None:
        """Note that a unit is inactive: after another run it did its work, else a person has seen to it.

        At the start limit a unit is inactive for a moment, and then failed again.
        """
        course = self._courses.get(unit)
        if course is None:
            return
        if invocation and invocation != course.last_key:
            self.fine(unit, now)
        else:
            course.at_rest, course.fine_since = True, None
            self._wake(now + self._kept_s, unit)

    def __contains__(self, unit: str) -> bool:
        return unit in self._courses

    def units(self) -> list[str]:
        """Return the units that have failed and not yet held for long enough."""
        return list(self._courses)

    def due(self, now: float) -> Iterator[Round | Recovered]:
        """Yield, once each, what is to be reported by now."""
        while self._moments and self._moments[0][0] <= now:
            _, unit = heapq.heappop(self._moments)
            if (course := self._courses.get(unit)) is not None:
                self._decide(unit, course, now)
        ready, self._ready = self._ready, []
        yield from ready

    def next_at(self) -> float | None:
        """Return when to ask again, or None while nothing settles."""
        return self._moments[0][0] if self._moments else None

    def _decide(self, unit: str, course: _Course, now: float) -> None:
        if not course.rounds:
            held = course.fine_since is not None and now - course.fine_since >= self._kept_s
            if held or course.at_rest:
                del self._courses[unit]
            return
        first = course.rounds[0]
        if first.began + self._settle_s > now:  # an older moment, of a failure that is settled
            return
        if course.at_rest:
            del self._courses[unit]
            return
        if self._is_calm(course, now):
            assert course.fine_since is not None  # noqa: S101 - for the type checker
            self._ready.append(Recovered(first, max(0.0, course.fine_since - first.began)))
            del self._courses[unit]
            return
        self._ready += course.rounds
        course.rounds, course.reported = [], True

    def _is_calm(self, course: _Course, now: float) -> bool:
        if course.fine_since is None:
            return False
        return len(course.rounds) == 1 or now - course.last_at > CALM * course.longest_pause

    def _wake(self, moment: float, unit: str) -> None:
        heapq.heappush(self._moments, (moment, unit))

    def _forget_oldest(self) -> None:
        if len(self._courses) > MOST_UNITS:
            unit = next((name for name, course in self._courses.items() if not course.rounds), None)
            if unit is not None:
                del self._courses[unit]

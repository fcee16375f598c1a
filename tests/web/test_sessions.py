"""Sessions and the brake on logins, with a clock of our own."""

from __future__ import annotations

from app.web.auth import Caller, Role
from app.web.sessions import (
    ATTEMPTS,
    ATTEMPTS_OF_ALL,
    LIFETIME_S,
    MOST_SESSIONS,
    WINDOW_S,
    Attempts,
    Sessions,
)

OPERATOR = Caller("token:do", Role.OPERATOR)


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_a_session_is_found_by_its_cookie_alone() -> None:
    sessions = Sessions()
    value, begun = sessions.begin(OPERATOR)
    assert sessions.find(value) is begun
    assert begun.proof.caller == OPERATOR
    assert sessions.find(value[:-1]) is None
    assert sessions.find("") is None
    assert sessions.find(None) is None
    assert value not in repr(vars(sessions))


def test_each_login_is_a_fresh_session_and_ends_the_one_before() -> None:
    sessions = Sessions()
    first, begun = sessions.begin(OPERATOR)
    second, again = sessions.begin(OPERATOR, instead_of=first)
    assert first != second
    assert begun.proof.csrf != again.proof.csrf
    assert sessions.find(first) is None
    assert sessions.find(second) is again


def test_a_session_ends_by_itself_and_by_logging_out() -> None:
    clock = Clock()
    sessions = Sessions(clock=clock)
    value, _ = sessions.begin(OPERATOR)
    other, _ = sessions.begin(OPERATOR)
    sessions.end(other)
    assert sessions.find(other) is None
    clock.at += LIFETIME_S - 1
    assert sessions.find(value) is not None
    clock.at += 1
    assert sessions.find(value) is None


def test_the_oldest_give_way() -> None:
    sessions = Sessions()
    values = [sessions.begin(OPERATOR)[0] for _ in range(MOST_SESSIONS + 3)]
    assert sum(sessions.find(value) is not None for value in values) == MOST_SESSIONS
    assert sessions.find(values[2]) is None
    assert sessions.find(values[-1]) is not None


def test_failed_logins_of_one_peer_must_wait() -> None:
    clock = Clock()
    attempts = Attempts(clock=clock)
    for _ in range(ATTEMPTS):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
        clock.at += 1
    assert attempts.wait_s("a") == WINDOW_S - ATTEMPTS
    assert attempts.wait_s("b") == 0
    clock.at += WINDOW_S - ATTEMPTS
    assert attempts.wait_s("a") == 0


def test_failed_logins_of_many_peers_must_wait_too() -> None:
    clock = Clock()
    attempts = Attempts(clock=clock)
    for number in range(ATTEMPTS_OF_ALL):
        assert attempts.wait_s(f"peer {number}") == 0
        attempts.failed(f"peer {number}")
    assert attempts.wait_s("another") == WINDOW_S
    clock.at += WINDOW_S
    assert attempts.wait_s("another") == 0

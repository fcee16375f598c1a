"""The brake on logins, with a clock of our own."""

from __future__ import annotations

from app.web.brake import ATTEMPTS, ATTEMPTS_OF_ALL, WINDOW_S, Attempts


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_failed_logins_of_one_peer_must_wait() -> None:
    clock = Clock()
    attempts = Attempts(clock=clock)
    for _ in range(ATTEMPTS):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
        clock.at += 1
    assert attempts.wait_s("a") == attempts.wait_s("a", guessable=False) == WINDOW_S - ATTEMPTS
    assert attempts.wait_s("b") == 0
    clock.at += WINDOW_S - ATTEMPTS
    assert attempts.wait_s("a") == 0


def test_the_failure_that_stops_a_peer_is_told_once() -> None:
    attempts = Attempts(clock=Clock())
    assert [attempts.failed("a") for _ in range(ATTEMPTS + 2)] == [False] * (ATTEMPTS - 1) + [
        True,
        False,
        False,
    ]


def test_failed_logins_of_many_peers_must_wait_too_unless_they_show_what_nobody_guesses() -> None:
    clock = Clock()
    attempts = Attempts(clock=clock)
    for number in range(ATTEMPTS_OF_ALL):
        assert attempts.wait_s(f"peer {number}") == 0
        attempts.failed(f"peer {number}")
    assert attempts.wait_s("another") == WINDOW_S
    assert attempts.wait_s("another", guessable=False) == 0
    clock.at += WINDOW_S
    assert attempts.wait_s("another") == 0

import inspect

import pytest

from app.core import errors
from app.core.errors import Failed, PimaintenoError, Refused, RetryLater, Skipped, StopWork

EVERY = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", EVERY)
def test_every_error_is_ours_and_says_what_it_means(error: type[Exception]) -> None:
    assert issubclass(error, PimaintenoError)
    assert error.__doc__


@pytest.mark.parametrize("outcome", [Skipped, Refused, Failed])
def test_an_outcome_carries_its_reason(outcome: type[StopWork]) -> None:
    assert str(outcome("because")) == "because"


def test_outcomes_are_not_confused_with_one_another() -> None:
    outcomes = [Skipped, Refused, RetryLater, Failed]
    for one in outcomes:
        assert [other for other in outcomes if issubclass(one, other)] == [one]


def test_waiting_says_for_how_long_and_whether_it_counts() -> None:
    plain, limit = (
        RetryLater("later", after_s=5),
        RetryLater("at a limit", after_s=60, counts=False, pause=True),
    )
    assert (str(plain), plain.after_s, plain.pause, plain.counts) == ("later", 5, False, True)
    assert (limit.pause, limit.counts) == (True, False)

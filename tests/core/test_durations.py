from __future__ import annotations

from datetime import timedelta

import pytest

from app.core import durations
from app.core.errors import BadRequestError


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        (" 2w ", timedelta(weeks=2)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert durations.parse(text) == length


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5h", "3y", "99999w", "53w", "7 d", "\u0663d"])
def test_no_durations(text: str) -> None:
    with pytest.raises(BadRequestError, match="30m, 12h, 7d or 2w"):
        durations.parse(text)

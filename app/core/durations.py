"""How people write a length of time: 30m, 12h, 7d or 2w."""

from __future__ import annotations

import re
from datetime import timedelta

from app.core.errors import BadRequestError

LONGEST = timedelta(days=366)
FORM = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse(text: str) -> timedelta:
    """Return the length of "30m", "12h", "7d" or "2w", a year at most; raises BadRequestError."""
    match = FORM.fullmatch(text.strip())
    length = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
    if length is None or length > LONGEST:
        raise BadRequestError(f"{text[:40]!r} is no duration: 30m, 12h, 7d or 2w is expected, a year at most")
    return length

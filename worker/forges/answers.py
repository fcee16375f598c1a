"""What came back from a forge, before anybody knows what it means. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Answer:
    """What came back for `asked`, such as "GET /repos/me/greeter"; header names in small letters."""

    asked: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The JSON in it; None where there is none."""
        try:
            return json.loads(self.body)
        except ValueError:  # UnicodeDecodeError is one
            return None

    @property
    def words(self) -> str:
        """The forge's own words, on one line; what came in their place where it is not its JSON."""
        data = self.data
        if not isinstance(data, dict):
            kind = self.headers.get("content-type", "no content type")
            return f"{kind}: {line(self.body.decode(errors='replace'), 120) or 'nothing in it'}"
        return line("; ".join(each for each in self.said(data) if each), 600) or "no words"

    def said(self, data: dict[str, Any]) -> list[str]:
        """Return what the forge's JSON has of words."""
        return [str(data.get("message", ""))]


def seconds(header: str, now: float) -> float:
    """Return how many seconds a Retry-After asks for, at least one; 0 where it cannot be read."""
    if header.strip().isdecimal():
        return max(1.0, float(header))
    try:
        return max(1.0, parsedate_to_datetime(header).timestamp() - now)
    except ValueError:
        return 0.0


def line(text: str, most: int) -> str:
    """Return words of others on one printable line."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= most else words[: most - 1] + "…"

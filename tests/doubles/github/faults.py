"""Ways in which GitHub and the network between can fail."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field

SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID ABCD:1234."
)


@dataclass(frozen=True)
class Fault:
    """One wrong answer; `after` says whether the work was done before it."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    cuts: bool = False
    slow_s: float = 0.0

    @classmethod
    def error(
        cls, status: int, message: str, *, headers: dict[str, str] | None = None, after: bool = False
    ) -> Fault:
        """Answer with GitHub's JSON for an error."""
        body = {
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(status),
        }
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return cls(status, json.dumps(body).encode(), kind | (headers or {}), after=after)

    @classmethod
    def server_error(cls, status: int = 502, *, after: bool = False) -> Fault:
        """Answer 5xx, before or after the work."""
        return cls.error(status, "Server Error", after=after)

    @classmethod
    def cut(cls, *, after: bool = False) -> Fault:
        """Close the connection without a word, before or after the work."""
        return cls(cuts=True, after=after)

    @classmethod
    def html(cls, status: int = 502, *, after: bool = False) -> Fault:
        """Answer with a web page, as a proxy on the way does."""
        page = b"<!DOCTYPE html><html><body><h1>Unicorn!</h1></body></html>"
        return cls(status, page, {"Content-Type": "text/html; charset=utf-8"}, after=after)

    @classmethod
    def too_many(cls, retry_after: int | str | None = None) -> Fault:
        """Answer 429."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls.error(429, "Too many requests", headers=headers)

    @classmethod
    def secondary_limit(cls, retry_after: int | None = None) -> Fault:
        """Answer 403 as GitHub does to somebody who writes too fast."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls.error(403, SECONDARY, headers=headers)

    @classmethod
    def primary_limit(cls, reset_in_s: float = 60) -> Fault:
        """Answer 403 as GitHub does when the hour's requests are used up."""
        left = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time() + reset_in_s))}
        return cls.error(403, "API rate limit exceeded for user ID 1.", headers=left)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Do the work and answer as ever, after some seconds."""
        return cls(slow_s=seconds)

    @property
    def only_slow(self) -> bool:
        """Whether the answer itself is the right one."""
        return not self.status and not self.cuts


@dataclass
class _Planned:
    method: str
    path: re.Pattern[str]
    fault: Fault
    times: int


class Faults:
    """The faults still to come, used up in the order they were planned."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def plan(self, method: str, path: str, fault: Fault, times: int) -> None:
        self._planned.append(_Planned(method, re.compile(path), fault, times))

    def next(self, method: str, path: str, query: str) -> Fault | None:
        """Return what is to go wrong with this request, once."""
        for planned in self._planned:
            fits = planned.path.search(path) or planned.path.search(f"{path}?{query}")
            if planned.times > 0 and planned.method == method and fits:
                planned.times -= 1
                return planned.fault
        return None

    @property
    def waiting(self) -> int:
        """How many have not happened yet."""
        return sum(planned.times for planned in self._planned)

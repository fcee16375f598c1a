"""Ways in which GitLab and the network between can fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.doubles.github import faults

if TYPE_CHECKING:
    from typing import Self

JSON_KIND = {"Content-Type": "application/json"}
RESTING = "GitLab is undergoing maintenance. You cannot perform write operations on a read-only instance."


class Fault(faults.Fault):
    """One wrong answer; `after` says whether the work was done before it."""

    @classmethod
    def error(
        cls, status: int, message: object, *, headers: dict[str, str] | None = None, after: bool = False
    ) -> Self:
        """Answer with GitLab's JSON for an error, whose message is text, or fields with lists."""
        return cls(
            status, json.dumps({"message": message}).encode(), JSON_KIND | (headers or {}), after=after
        )

    @classmethod
    def unauthorized(
        cls, description: str = "Token was revoked. You have to re-authorize from the user."
    ) -> Self:
        """Answer 401 as to a token that was good once."""
        body = {"error": "invalid_token", "error_description": description}
        return cls(401, json.dumps(body).encode(), JSON_KIND)

    @classmethod
    def insufficient_scope(cls) -> Self:
        """Answer 403 as to a token that may only read."""
        body = {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the access token.",
            "scope": "api",
        }
        return cls(403, json.dumps(body).encode(), JSON_KIND)

    @classmethod
    def too_many(cls, retry_after: int | str | None = None) -> Self:
        """Answer 429, which is plain text on GitLab."""
        later = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls(429, b"Retry later\n", {"Content-Type": "text/plain"} | later)

    @classmethod
    def maintenance(cls, *, page: bool = False) -> Self:
        """Answer 503 as in maintenance mode, with JSON or with the page of the proxy before it."""
        if page:
            text = b"<!DOCTYPE html><html><body>Deploy in progress</body></html>"
            return cls(503, text, {"Content-Type": "text/html; charset=utf-8"})
        return cls.error(503, RESTING)

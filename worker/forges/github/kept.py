"""Answers kept for conditional requests: a 304 says that one still holds, and is free of GitHub's limit."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from worker.forges.github.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Hashable

ENTRIES = 4096
BYTES = 8 * 1024 * 1024
"""Of packed bodies: they are addresses for the most part, so a tenth of their length is left of them."""


class Kept:
    """The last answers with an ETag, those used longest ago dropped first."""

    def __init__(self, entries: int = ENTRIES, most: int = BYTES) -> None:
        self._entries, self._most = entries, most
        self._bytes = 0
        self._there: OrderedDict[Hashable, Answer] = OrderedDict()

    def get(self, key: Hashable) -> Answer | None:
        """Return an answer as it came, None where it is not kept."""
        if key not in self._there:
            return None
        self._there.move_to_end(key)
        packed = self._there[key]
        return Answer(packed.asked, packed.status, packed.headers, zlib.decompress(packed.body))

    def keep(self, key: Hashable, answer: Answer) -> None:
        """Keep an answer, where there is an ETag to ask about it with."""
        self._drop(key)
        if answer.status != 200 or not answer.headers.get("etag"):
            return
        body = zlib.compress(answer.body, 1)
        headers = {name: answer.headers[name] for name in ("etag", "link") if name in answer.headers}
        self._there[key] = Answer(answer.asked, answer.status, headers, body)
        self._bytes += len(body)
        while len(self._there) > self._entries or self._bytes > self._most:
            self._drop(next(iter(self._there)))

    def _drop(self, key: Hashable) -> None:
        if key in self._there:
            self._bytes -= len(self._there.pop(key).body)

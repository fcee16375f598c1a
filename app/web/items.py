"""Proposals and lines of the history as the interface tells them, redacted.

To redact a page of them takes longer than to find it, and of two pages that follow few rows differ: what
was made is kept for as long as it stays the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.web.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from app.core.models import Event, Proposal
    from app.core.redact import Redactor
    from app.store.database import Tx
    from app.store.proposals import Version

MOST_KEPT = 4_000_000
"""Characters."""


class Items:
    """Makes items, each as JSON on one line, with one redactor."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._kept = Kept[str](MOST_KEPT, len)

    async def versions(self, tx: Tx, listed: Sequence[Version]) -> list[str]:
        """Return proposals, reading from the store those alone that are not kept in that version."""
        from app.store import proposals as table

        kept = [self._kept.find(self._key(version)) for version in listed]
        missing = [version.id for version, text in zip(listed, kept, strict=True) if text is None]
        found = await table.these(tx, missing) if missing else []
        read = dict(zip((one.id for one in found), self.proposals(found), strict=True))
        return [text or read[version.id] for version, text in zip(listed, kept, strict=True)]

    def proposals(self, found: Iterable[Proposal]) -> list[str]:
        """Return proposals that were read."""
        from app.store.proposals import Version

        return [self._made(Version.of(one), proposal(self._redactor, one)) for one in found]

    def events(self, found: Iterable[Event]) -> list[str]:
        """Return lines of the history, none of which ever changes, save that a database is restored."""
        return [
            self._kept.find(self._key((one.id, one.at)))
            or self._made((one.id, one.at), self._redactor.data(one.model_dump(mode="json")))
            for one in found
        ]

    def _made(self, which: Hashable, fields: dict[str, Any]) -> str:
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        self._kept.put(self._key(which), text)
        return text

    def _key(self, which: Hashable) -> Hashable:
        return which, self._redactor.learnt


def proposal(redactor: Redactor, found: Proposal) -> dict[str, Any]:
    """Return the contract's fields. The outputs of checks are long, and stand on the page alone."""
    shown = found.model_dump(mode="json")
    shown["checks"] = [
        {"command": check.command, "before": check.before, "after": check.after} for check in found.checks
    ]
    redacted: dict[str, Any] = redactor.data(shown)
    return redacted


def page(items: Sequence[str], following: str | None) -> str:
    """Return a page of items, and the cursor of the next one, as JSON."""
    return f'{{"items":[{",".join(items)}],"next":{json.dumps(following)}}}'

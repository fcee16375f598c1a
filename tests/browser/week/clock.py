"""The week's clock: the store's functions write the present time, and here it is that of the story."""

from __future__ import annotations

import hashlib
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from app.core import base
from app.store import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.store.database import Store
    from tests.browser.week.case import Case


@dataclass
class Week:
    """The store, the moment that is being told, and the proposals by their titles."""

    store: Store
    now: datetime
    moment: datetime
    ids: dict[str, int] = field(default_factory=dict)

    def before(self, hours: float) -> datetime:
        """Return the moment so many hours before now."""
        return self.now - timedelta(hours=hours)

    async def say(self, kind: str, text: str, **more: Any) -> None:
        """Add a line to the history."""
        async with self.store.write() as tx:
            await events.append(tx, kind, text, **more)


@contextmanager
def clock(week: Week) -> Iterator[None]:
    """Let the store's functions, which write the present time, write the week's."""
    with ExitStack() as held:
        for name, module in list(sys.modules.items()):
            if name.startswith("app.store."):
                for key, value in list(vars(module).items()):
                    if value is base.now:
                        held.enter_context(patch.object(module, key, lambda: week.moment))
        yield


def sha(case: Case, which: str) -> str:
    return hashed(f"{case.title} {which}")


def hashed(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

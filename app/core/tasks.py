"""Ending tasks for good."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

AGAIN_S = 5.0
"""Long enough for what ends in good order: a second cancellation would cut it short."""


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until each has ended; whatever they raise stays theirs.

    Once may not be enough: libraries that use `asyncio.wait_for` lose a cancellation, before Python 3.12,
    that comes together with its result (https://github.com/python/cpython/issues/86296).
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)

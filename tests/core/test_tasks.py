from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.core import tasks

if TYPE_CHECKING:
    import pytest


async def _deaf(times: int) -> None:
    """Lose so many cancellations."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if times == 0:
                raise
            times -= 1


async def _wrong() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        raise ValueError("in the end")


async def test_a_task_that_loses_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_S", 0.01)
    running = [asyncio.create_task(_deaf(times)) for times in (0, 1, 2)]
    await asyncio.sleep(0)
    await tasks.end(running)
    assert all(task.cancelled() for task in running)


async def test_what_a_task_raises_stays_its_own() -> None:
    wrong, over = asyncio.create_task(_wrong()), asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0)
    await tasks.end([wrong, over])
    assert isinstance(wrong.exception(), ValueError)
    assert over.done()


async def test_no_task_is_no_wait() -> None:
    await tasks.end([])

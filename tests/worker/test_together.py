"""What is asked one by one is done at once, and each learns how it went."""

from __future__ import annotations

import asyncio

import pytest

from app.core.errors import StoreError
from worker.together import Together


async def test_what_waits_while_one_is_at_work_is_the_next_batch() -> None:
    batches: list[list[int]] = []
    gate = asyncio.Event()

    async def work(items: list[int]) -> None:
        batches.append(items)
        await gate.wait()

    together = Together(work, at_most=3)
    first = asyncio.create_task(together.do(0))
    await asyncio.sleep(0)
    others = [asyncio.create_task(together.do(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    assert batches == [[0]]
    assert not first.done()
    gate.set()
    await asyncio.gather(first, *others)
    assert batches == [[0], [1, 2, 3], [4, 5]]


async def test_heavy_ones_make_small_batches() -> None:
    batches: list[list[int]] = []

    async def work(items: list[int]) -> None:
        batches.append(items)

    together = Together(work, at_most=10, weight=lambda item: item * 1024)
    await asyncio.gather(*(together.do(item) for item in (1, 400, 200, 900, 900, 1, 2)))
    assert batches == [[1, 400, 200], [900], [900], [1, 2]]


async def test_one_that_cannot_be_done_keeps_no_other_back() -> None:
    done: list[int] = []

    async def work(items: list[int]) -> None:
        await asyncio.sleep(0)
        if 2 in items:
            raise ZeroDivisionError
        done.extend(items)

    together = Together(work, at_most=10)
    ends = await asyncio.gather(*(together.do(number) for number in range(5)), return_exceptions=True)
    assert [type(end) for end in ends] == [type(None), type(None), ZeroDivisionError, type(None), type(None)]
    assert sorted(done) == [0, 1, 3, 4]


async def test_a_database_that_is_away_is_asked_once_for_all() -> None:
    asked = 0

    async def work(items: list[int]) -> None:
        nonlocal asked
        asked += 1
        raise StoreError("away")

    together = Together(work, at_most=10)
    ends = await asyncio.gather(*(together.do(number) for number in range(5)), return_exceptions=True)
    assert [str(end) for end in ends] == ["away"] * 5
    assert asked == 1


@pytest.mark.parametrize("steps", [1, 3])
async def test_closing_lets_go_of_all_who_wait(steps: int) -> None:
    together: Together[int] = Together(lambda _: asyncio.sleep(60), at_most=1)
    tasks = [asyncio.create_task(together.do(number)) for number in range(3)]
    for _ in range(steps):
        await asyncio.sleep(0)
    await together.close()
    async with asyncio.timeout(5):
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 3


async def test_one_who_has_given_up_is_left_out() -> None:
    batches: list[list[int]] = []
    gate = asyncio.Event()

    async def work(items: list[int]) -> None:
        batches.append(items)
        await gate.wait()

    together = Together(work, at_most=10)
    tasks = [asyncio.create_task(together.do(number)) for number in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = asyncio.create_task(together.do(7))
    await asyncio.sleep(0)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    gate.set()
    await asyncio.gather(*tasks)
    assert all(7 not in batch for batch in batches)

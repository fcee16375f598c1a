"""One writer at a time, among processes: an open file of its own stands for each."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from app.core.errors import StoreError
from app.store import turns
from app.store.turns import Turns

if TYPE_CHECKING:
    from pathlib import Path

BUSY = """
import asyncio, sys
from pathlib import Path
from app.store.turns import Turns

turns, log = Turns(Path(sys.argv[1])), open(sys.argv[2], "ab", buffering=0)

async def write_for_ever():
    while True:
        async with turns.one():
            await asyncio.sleep(0.05)
            log.write(b".")

async def main():
    await asyncio.gather(*(write_for_ever() for _ in range(10)))

asyncio.run(main())
"""


async def test_the_other_process_waits_for_its_turn(tmp_path: Path) -> None:
    one, other, said = Turns(tmp_path / "db"), Turns(tmp_path / "db"), list[str]()

    async def write() -> None:
        async with other.one():
            said.append("other")

    async with one.one():
        waiting = asyncio.create_task(write())
        await asyncio.wait({waiting}, timeout=0.05)
        said.append("one")
    await waiting
    assert said == ["one", "other"]
    async with one.one():
        said.append("one again")
    for each in (one, other):
        each.close()
        each.close()


async def test_one_process_takes_its_turns_in_order(tmp_path: Path) -> None:
    ours, said = Turns(tmp_path / "db"), list[int]()

    async def write(number: int) -> None:
        async with ours.one():
            await asyncio.sleep(0)
            said.append(number)

    await asyncio.gather(*(write(number) for number in range(20)))
    assert said == list(range(20))
    ours.close()


async def test_a_process_with_much_to_write_lets_another_in(tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = [sys.executable, "-c", BUSY, str(tmp_path / "db"), str(log)]
    busy = subprocess.Popen(argv)  # noqa: ASYNC220 - it returns at once
    ours, between = Turns(tmp_path / "db"), []
    try:
        while not log.exists():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
        for _ in range(10):
            asked = log.stat().st_size
            async with ours.one():
                between.append(log.stat().st_size - asked)
    finally:
        busy.kill()
        busy.wait()
        ours.close()
    assert max(between) <= 3, between  # the one at work, and the one at the door before us


async def test_a_turn_that_does_not_come_is_an_error_that_names_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "BUSY_S", 0.05)
    one, other = Turns(tmp_path / "db"), Turns(tmp_path / "db")
    async with one.one():
        for late in (one, other):
            with pytest.raises(StoreError, match=r"db was in use for more than"):
                async with late.one():
                    raise AssertionError("two at once")
    async with other.one():
        pass
    one.close()
    other.close()


async def test_a_folder_that_takes_no_file_is_an_error(tmp_path: Path) -> None:
    ours = Turns(tmp_path / "nowhere" / "db")
    with pytest.raises(StoreError, match="check its folder"):
        async with ours.one():
            raise AssertionError("without a lock")

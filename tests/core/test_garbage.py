from __future__ import annotations

import gc
import sys
import weakref
from typing import TYPE_CHECKING

import pytest

from app.core import garbage, process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = """
import asyncio, gc, importlib, os, signal, sys
from pathlib import Path
from app.core.settings import load

async def main():
    serve = importlib.import_module(sys.argv[1]).serve
    serving = asyncio.create_task(serve(load(Path(sys.argv[2]))))
    while not gc.get_freeze_count() and not serving.done():
        await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await serving

asyncio.run(main())
"""


class Node:
    """Something that can be part of a circle."""

    def __init__(self) -> None:
        self.other: Node | None = None


def circle() -> Node:
    one, other = Node(), Node()
    one.other, other.other = other, one
    return one


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_there_is_not_looked_at_again() -> None:
    stays = circle()
    garbage.freeze()
    assert gc.get_freeze_count() > 1000
    assert not any(each is stays for each in gc.get_objects())


def test_what_nobody_holds_is_let_go_first() -> None:
    lost = weakref.ref(circle())
    garbage.freeze()
    assert lost() is None


def test_later_garbage_is_collected_as_ever() -> None:
    garbage.freeze()
    lost = weakref.ref(circle())
    gc.collect()
    assert lost() is None


@pytest.mark.parametrize("module", ["app.web.main", "worker.main"])
async def test_a_process_freezes_what_it_starts_with(place: Path, module: str) -> None:
    config = place / "pimainteno.toml"
    config.write_text(f'state_dir = "{place}/state"\n[web]\nport = 0\n')
    ended = await process.run([sys.executable, "-c", PROGRAM, module, str(config)], timeout_s=60)
    assert ended.returncode == 0, ended.stderr.decode()

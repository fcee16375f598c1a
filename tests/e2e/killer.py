"""A worker that ends by SIGKILL before or after one function, once: `killer.py POINT WHEN FLAG worker …`.

POINT is `module:function` or `module:Class.method`; FLAG a file that tells that it was done. Everything else
is the real worker.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli import main
from worker.agent import pipeline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def plant(point: str, when: str, flag: Path) -> None:
    """Replace the function, where it lives and in the table of stages, by one that kills."""
    module_name, _, name = point.partition(":")
    owner: Any = importlib.import_module(module_name)
    *inside, name = name.split(".")
    for part in inside:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    deadly = _deadly(original, when, flag)
    setattr(owner, name, deadly)
    for kind, stages in pipeline.STAGES.items():
        pipeline.STAGES[kind] = tuple((stage, deadly if f is original else f) for stage, f in stages)


def _deadly(original: Callable[..., Awaitable[Any]], when: str, flag: Path) -> Callable[..., Awaitable[Any]]:
    @wraps(original)
    async def deadly(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            _die_once(flag)
        result = await original(*args, **kwargs)
        if when == "after":
            _die_once(flag)
        return result

    return deadly


def _die_once(flag: Path) -> None:
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    plant(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    sys.argv = ["pimainteno", *sys.argv[4:]]
    main()

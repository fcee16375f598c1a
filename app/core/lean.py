"""Imports that cost nothing: without the optional parts that a library loads because they are there."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Let an import inside find that these modules are not installed, unless they are loaded already.

    On a small machine each megabyte counts in each process: structlog takes rich along for colours,
    and redis-py takes PyJWT, and that cryptography, for logins at one cloud.
    """
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # so the import system marks what is absent
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)

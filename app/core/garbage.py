"""Python's collector of cyclic garbage, and what it need not look at."""

from __future__ import annotations

import gc


def freeze() -> None:
    """Leave all that is there by now, modules above all, out of later collections.

    A full one goes through every object; with what our libraries load that takes 0.1 s and more. In that time
    a process answers nobody, and whoever waits for its transaction waits along.
    """
    gc.collect()
    gc.freeze()

"""Serves the seeded week to look at: python -m tests.browser.serve [--calm]; ends with Ctrl-C.

It prints an address and the tokens to log in with. `--calm` leaves the pause out.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.browser.site import TOKENS, filled, served


def main() -> None:
    """Serve until Ctrl-C."""
    with (
        tempfile.TemporaryDirectory(prefix="pm-week-", dir="/var/tmp") as folder,
        served(Path(folder), store=filled(paused="--calm" not in sys.argv)[0]) as site,
    ):
        print(f"{site.address}  (state in {folder})", *TOKENS.values(), sep="\n", flush=True)
        try:
            site.process.wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()

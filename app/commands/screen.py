"""What commands print: lines, tables, and steps with a sign of life on a terminal.

What the store holds came from logs and a model: it is printed without control characters.
"""

import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status

LEAST_WIDTH = 12
GAP = "  "


def say(text: str = "") -> None:
    """Print a line to standard output at once."""
    sys.stdout.write(f"{_plain(text)}\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    """Print a line to standard error, with the program's name."""
    sys.stderr.write(f"pimainteno: {_plain(text)}\n")
    sys.stderr.flush()


def clock(at: datetime | None) -> str:
    """Return a time as people at this machine read it; "-" for none."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M") if at else "-"


class Steps:
    """Prints what happens, a line for each step; on a terminal also what goes on right now."""

    def __init__(self, status: "Status | None" = None) -> None:
        self._status = status

    def step(self, text: str, *, at: datetime | None = None) -> None:
        """Print one step."""
        moment = (at.astimezone() if at else datetime.now().astimezone()).strftime("%H:%M:%S")
        say(f"{moment}  {text}")

    def busy(self, text: str) -> None:
        """Show what is waited for, where a person looks; nothing where the output is piped."""
        if self._status is not None:
            self._status.update(_plain(text))


@contextmanager
def steps() -> Iterator[Steps]:
    """Yield the printer of steps, with a spinner below them on a terminal."""
    if not sys.stdout.isatty():
        yield Steps()
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    with console.status("") as status:
        yield Steps(status)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, shrink: Sequence[str]) -> None:
    """Print rows in columns; on a terminal the columns named in `shrink` give way so that lines fit."""
    cells = [[_plain(cell, keep_newlines=False) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(heads, *cells, strict=True)]
    if sys.stdout.isatty():
        _fit(widths, [heads.index(head) for head in shrink], shutil.get_terminal_size().columns)
    for row in (heads, *cells):
        line = GAP.join(_pad(cell, width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")
    sys.stdout.flush()


def _plain(text: str, *, keep_newlines: bool = True) -> str:
    from app.core.redact import printable

    return printable(text, keep_newlines=keep_newlines)


def _fit(widths: list[int], yielding: list[int], room: int) -> None:
    """Take from the widest of the yielding columns until the line fits or none has any more to give."""
    room -= len(GAP) * (len(widths) - 1)
    while sum(widths) > room:
        widest = max(yielding, key=lambda column: widths[column])
        if widths[widest] <= LEAST_WIDTH:
            return
        widths[widest] -= 1


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _pad(text: str, width: int) -> str:
    if _width(text) > width:
        while _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _width(text))

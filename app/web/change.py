"""A change as a page shows it: its files with their counts, and the lines of those that there is room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from app.web import diffs, highlight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.web.diffs import FileDiff

MOST_LINES, MOST_CHARACTERS = 2500, 160 * 1024
"""Of all files on a proposal's page; the rest has pages of its own."""
MOST_LINES_ALONE, MOST_CHARACTERS_ALONE = 20_000, 1024 * 1024
"""Of one file on its own page."""
FOLDED = 300
"""Lines from which on a file is folded at first."""
MOST_FILES = 500
MARGIN = 100
"""Lines looked at behind the last one shown: a secret may begin in what is shown and end behind it."""
CHUNK = 500
"""Lines that a browser lays out together, once they come into view."""


@dataclass(frozen=True)
class ShownFile:
    """One file; without `html` there was no room for it here, or there is nothing to show."""

    number: int
    name: str
    what: str
    notes: tuple[str, ...]
    added: int
    removed: int
    total: int
    html: Markup | None
    left_out: int

    @property
    def is_open(self) -> bool:
        """Whether the page shows its lines at first."""
        return self.total <= FOLDED


@dataclass(frozen=True)
class Change:
    """All files of a change; `more` of them are not even named."""

    files: tuple[ShownFile, ...] = ()
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.files)

    @property
    def added(self) -> int:
        """Lines that all files together win."""
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        """Lines that all files together lose."""
        return sum(file.removed for file in self.files)


def change(text: str, fit: Callable[[str], str]) -> Change:
    """Return a change with as many lines as one page takes. `fit` makes a text fit to be shown."""
    found = diffs.files(text)
    lines_left, characters_left = MOST_LINES, MOST_CHARACTERS
    shown = []
    for number, file in enumerate(found[:MOST_FILES]):
        size = sum(map(len, file.lines)) + len(file.lines)
        is_first = lines_left == MOST_LINES
        if len(file.lines) <= lines_left and size <= characters_left:
            html, left_out = _html(file, fit, len(file.lines), size)
            lines_left, characters_left = lines_left - len(file.lines), characters_left - size
        elif is_first:
            html, left_out = _html(file, fit, MOST_LINES, MOST_CHARACTERS)
            lines_left = 0
        else:
            html, left_out = None, len(file.lines)
        shown.append(_shown(number, file, html, left_out))
    return Change(tuple(shown), max(0, len(found) - MOST_FILES))


def alone(text: str, number: int, fit: Callable[[str], str]) -> ShownFile | None:
    """Return one file of a change with all the lines that a page of its own takes; None where it has none."""
    found = diffs.files(text)
    if not 0 <= number < len(found):
        return None
    html, left_out = _html(found[number], fit, MOST_LINES_ALONE, MOST_CHARACTERS_ALONE)
    return _shown(number, found[number], html, left_out)


def size(made: Change | ShownFile | None) -> int:
    """Return how many characters a change takes, for what is kept of them."""
    files = made.files if isinstance(made, Change) else (made,) if made else ()
    return 200 + sum(len(file.html or "") + 200 for file in files)


def _shown(number: int, file: FileDiff, html: Markup | None, left_out: int) -> ShownFile:
    notes = []
    if file.modes:
        notes.append(f"mode {file.modes[0]} → {file.modes[1]}")
    if file.binary:
        notes.append("binary file: its content is not shown")
    return ShownFile(
        number=number,
        name=file.name,
        what=f"{file.what}, binary" if file.binary else file.what,
        notes=tuple(notes),
        added=file.added,
        removed=file.removed,
        total=len(file.lines),
        html=html,
        left_out=left_out,
    )


def _html(
    file: FileDiff, fit: Callable[[str], str], most_lines: int, most_characters: int
) -> tuple[Markup | None, int]:
    """Return the first lines of a file and how many are left out."""
    if not file.lines:
        return None, 0
    kept, room = 0, most_characters
    for line in file.lines[:most_lines]:
        if room <= 0:
            break
        kept += 1
        room -= len(line) + 1
    whole = [line[:most_characters] for line in file.lines[: kept + MARGIN]]
    fitted = fit("\n".join(whole)).split("\n")
    margin = len(whole) - kept
    lines = fitted[:-margin] if margin else fitted
    rows = [row for hunk in _hunks(lines) for row in _rows(hunk, file.path)]
    chunks = ("".join(rows[at : at + CHUNK]) for at in range(0, len(rows), CHUNK))
    far = " far" if len(rows) > CHUNK else ""
    html = "".join(f'<code class="lines{far}">{chunk}</code>' for chunk in chunks)
    return Markup(html), len(file.lines) - kept  # noqa: S704 - spans of our own around escaped text


def _hunks(lines: Sequence[str]) -> Iterator[list[str]]:
    hunk: list[str] = []
    for line in lines:
        if line.startswith("@@ ") and hunk:
            yield hunk
            hunk = []
        hunk.append(line)
    if hunk:
        yield hunk


def _rows(hunk: list[str], path: str) -> Iterator[str]:
    """Yield a hunk's lines: added and removed ones are marked, and all have their number."""
    match = diffs.HUNK.match(hunk[0])
    old, new = (int(match[1]), int(match[3])) if match else (0, 0)
    if match:
        yield f'<span class="h">{escape(hunk[0])}\n</span>'
    body = hunk[1:] if match else hunk
    before, after = _side(body, "-", path), _side(body, "+", path)
    for line in body:
        sign = line[:1]
        text = escape(line[1:])
        if sign == "+":
            yield f'<span class="a" data-n="{new}">+{next(after, text)}\n</span>'
            new += 1
        elif sign == "-":
            yield f'<span class="r" data-n="{old}">-{next(before, text)}\n</span>'
            old += 1
        elif sign == "\\" or not match:
            yield f'<span class="i">{escape(line)}\n</span>'
        else:
            next(before, None)
            number = f' data-n="{new}"'
            yield f"<span{number}> {next(after, text)}\n</span>"
            old, new = old + 1, new + 1


def _side(body: list[str], sign: str, path: str) -> Iterator[Markup]:
    """Return the lines of one side of a hunk in colours, or nothing where there are none to be had."""
    other = "+" if sign == "-" else "-"
    text = "\n".join(line[1:] for line in body if line[:1] not in (other, "\\"))
    return iter(highlight.lines(path, text) or ())

"""Unified diffs, file by file: what git wrote, read without trust in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
ESCAPED = re.compile(r"\\(?:([0-7]{3})|(.))", re.DOTALL)
PLAIN = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass
class FileDiff:
    """One file of a diff: what became of it, and its lines from the first hunk on."""

    path: str = ""
    old_path: str = ""
    what: str = "changed"
    binary: bool = False
    modes: tuple[str, str] | None = None
    added: int = 0
    removed: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's path, and the one before where it was moved."""
        return f"{self.old_path} → {self.path}" if self.what in {"renamed", "copied"} else self.path


def files(text: str) -> list[FileDiff]:
    """Return the files of a diff in their order; text that is no diff is one file without a name."""
    found: list[FileDiff] = []
    left = _Left()
    header = False
    rows = text.rstrip("\n").split("\n") if text else []
    for at, line in enumerate(rows):
        if line.startswith("diff --git "):
            found.append(_begun(line))
            header = True
            left = _Left()
        elif hunk := HUNK.match(line):
            if not found:
                found.append(FileDiff())
            header = False
            left = _Left(int(hunk[2] or 1), int(hunk[4] or 1))
            found[-1].lines.append(line)
        elif not left and _is_next_file(rows, at):
            if not header:
                found.append(FileDiff(path=_path(line[4:])))
                header = True
            _read_header(found[-1], line)
        elif header:
            _read_header(found[-1], line)
        else:
            if not found:
                found.append(FileDiff())
            _take(found[-1], line, left)
    return found


@dataclass
class _Left:
    """How many lines of either side the present hunk still has."""

    old: int = 0
    new: int = 0

    def __bool__(self) -> bool:
        return self.old > 0 or self.new > 0


def _take(file: FileDiff, line: str, left: _Left) -> None:
    file.lines.append(line)
    sign = line[:1]
    if sign == "\\" or not left:
        return
    if sign == "+":
        file.added += 1
    elif sign == "-":
        file.removed += 1
    left.old -= sign != "+"
    left.new -= sign != "-"


def _is_next_file(rows: list[str], at: int) -> bool:
    """Tell whether two lines name the file before and after, as in diffs that git did not write."""
    return rows[at].startswith("--- ") and at + 1 < len(rows) and rows[at + 1].startswith("+++ ")


def _begun(line: str) -> FileDiff:
    """Return a file from git's first line; both names are the same there unless it was moved."""
    rest = line[len("diff --git ") :]
    half = len(rest) // 2
    quoted = re.match(r'"(?:[^"\\]|\\.)*" ("(?:[^"\\]|\\.)*"|b/.*)$', rest)
    name = (
        quoted[1]
        if quoted
        else rest[half + 1 :]
        if rest[half : half + 1] == " "
        else rest.rpartition(" b/")[2]
    )
    return FileDiff(path=_path(name))


def _read_header(file: FileDiff, line: str) -> None:
    word, _, value = line.partition(" ")
    if line.startswith(("new file", "deleted file")):
        file.what = "added" if word == "new" else "deleted"
    elif line.startswith(("rename ", "copy ")):
        direction, _, path = value.partition(" ")
        file.what = "renamed" if word == "rename" else "copied"
        if direction == "from":
            file.old_path = _unquoted(path)
        else:
            file.path = _unquoted(path)
    elif line.startswith(("old mode ", "new mode ")):
        old, new = file.modes or ("", "")
        mode = value.rpartition(" ")[2]
        file.modes = (mode, new) if word == "old" else (old, mode)
    elif line.startswith(("Binary files ", "GIT binary patch")):
        file.binary = True
    elif word == "+++" and value != "/dev/null":
        file.path = _path(value)
    elif word == "---" and value == "/dev/null":
        file.what = "added"
    elif word == "---" and not file.path:
        file.path = _path(value)
    elif word == "+++":
        file.what = "deleted"


def _path(name: str) -> str:
    plain = _unquoted(name.split("\t", maxsplit=1)[0] if not name.startswith('"') else name)
    return plain[2:] if plain.startswith(("a/", "b/")) else plain


def _unquoted(name: str) -> str:
    """Return a path as it is; git writes unusual ones in quotes, byte by byte."""
    if not (name.startswith('"') and name.endswith('"') and len(name) > 1):
        return name
    raw = b"".join(
        part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        for part in _parts(name[1:-1])
    )
    return raw.decode("utf-8", "replace")


def _parts(quoted: str) -> list[str | bytes]:
    found: list[str | bytes] = []
    last = 0
    for match in ESCAPED.finditer(quoted):
        found.append(quoted[last : match.start()])
        found.append(bytes([int(match[1], 8) & 255]) if match[1] else PLAIN.get(match[2], match[2]))
        last = match.end()
    found.append(quoted[last:])
    return found

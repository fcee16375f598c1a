"""The newest entries of a journal, read in this process by libsystemd: a journalctl takes many times longer.

It only finds, it never explains: what it does not find, for whatever reason, is journalctl's to say.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LIBRARY = "libsystemd.so.0"
LOCAL_ONLY, CURRENT_USER = 1, 8
"""Flags of sd_journal_open(3); journalctl has the first by default, and for `--user` the second."""
OPTIONS = ("--boot",)
"""What journalctl alone understands among the matches."""
FIELDS = ("MESSAGE", "MESSAGE_ID", "INVOCATION_ID", "USER_INVOCATION_ID", "_SYSTEMD_INVOCATION_ID", "_PID")
TAKES: dict[str, list[object]] = {
    "open": [POINTER(c_void_p), c_int],
    "open_directory": [POINTER(c_void_p), c_char_p, c_int],
    "close": [c_void_p],
    "set_data_threshold": [c_void_p, c_size_t],
    "add_match": [c_void_p, c_char_p, c_size_t],
    "add_disjunction": [c_void_p],
    "seek_tail": [c_void_p],
    "previous": [c_void_p],
    "get_data": [c_void_p, c_char_p, POINTER(c_void_p), POINTER(c_size_t)],
    "get_cursor": [c_void_p, POINTER(c_void_p)],
}


def newest(
    directory: Path | None, matches: Sequence[str], most: int, *, user: bool, longest: int
) -> list[dict[str, str | None]]:
    """Return the fields of the newest entries that match, oldest first; none where it cannot tell.

    The matches are journalctl's, without its options. A field of more than `longest` bytes is None, as
    `journalctl -o json` has it. Each call opens the files anew: one that is kept open keeps deleted ones.
    """
    library = _library(LIBRARY)
    if library is None or set(OPTIONS) & set(matches):
        return []
    with _opened(library, directory, user=user) as journal:
        if journal is None:
            return []
        library.sd_journal_set_data_threshold(journal, longest)
        for match in matches:
            if match == "+":
                library.sd_journal_add_disjunction(journal)
            elif library.sd_journal_add_match(journal, match.encode(), 0) < 0:
                return []
        library.sd_journal_seek_tail(journal)
        found: list[dict[str, str | None]] = []
        while len(found) < most and library.sd_journal_previous(journal) > 0:
            found.append(_fields(library, journal, longest))
    return found[::-1]


@lru_cache(maxsize=2)
def _library(name: str) -> ctypes.CDLL | None:
    """Return the library with the types of what we call, or None where this host has none of that kind."""
    try:
        library = ctypes.CDLL(name)
        for called, takes in TAKES.items():
            function = getattr(library, f"sd_journal_{called}")
            function.argtypes, function.restype = takes, c_int
        library.sd_journal_close.restype = None
    except (OSError, AttributeError):
        return None
    return library


@contextmanager
def _opened(library: ctypes.CDLL, directory: Path | None, *, user: bool) -> Iterator[c_void_p | None]:
    journal = c_void_p()
    if directory is not None:
        opened = library.sd_journal_open_directory(byref(journal), str(directory.absolute()).encode(), 0)
    else:
        opened = library.sd_journal_open(byref(journal), LOCAL_ONLY | (CURRENT_USER if user else 0))
    try:
        yield journal if opened >= 0 else None
    finally:
        if opened >= 0:
            library.sd_journal_close(journal)


def _fields(library: ctypes.CDLL, journal: c_void_p, longest: int) -> dict[str, str | None]:
    """Return what the present entry has of our fields, and its cursor, which finds it again."""
    fields: dict[str, str | None] = {}
    for name in FIELDS:
        start, size = c_void_p(), c_size_t()
        if library.sd_journal_get_data(journal, name.encode(), byref(start), byref(size)) < 0:
            continue
        if size.value >= longest:
            fields[name] = None  # not even copied: a line can have 100 MB
        else:
            raw = ctypes.string_at(start, size.value)[len(name) + 1 :]
            fields[name] = raw.decode(errors="replace")
    if fields.get("MESSAGE", "") is None:
        fields["__CURSOR"] = _cursor(library, journal)
    return fields


def _cursor(library: ctypes.CDLL, journal: c_void_p) -> str:
    text = c_void_p()
    if library.sd_journal_get_cursor(journal, byref(text)) < 0 or text.value is None:
        return ""
    try:
        return ctypes.string_at(text.value).decode(errors="replace")
    finally:
        _free(text)


def _free(text: c_void_p) -> None:
    free = ctypes.CDLL(None).free
    free.argtypes, free.restype = [c_void_p], None
    free(text)

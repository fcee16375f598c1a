"""The log of one run of a unit, out of the journal: capped, printable, and without likely secrets."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
from typing import TYPE_CHECKING

from app.core import process
from app.core.errors import ProcessError, WatchError
from app.core.redact import Redactor, printable
from app.core.reports import LOG_LIMIT
from watchers import sdjournal
from watchers.entries import entry_of, is_whole, one_run, parsed, without_restarts

if TYPE_CHECKING:
    from pathlib import Path

    from watchers.entries import Entry

FIRST_WAIT_S, LONGEST_WAIT_S = 0.01, 0.3
LINES_S, END_S = 0.6, 2.0
"""Longest waits for a run's lines after systemd's word of its end, and for that word itself."""
TIMEOUT_S = 10.0
OUTPUT_FIELDS = "MESSAGE,MESSAGE_ID,INVOCATION_ID,USER_INVOCATION_ID,_SYSTEMD_INVOCATION_ID,_PID"
OUTPUT_LIMIT = 2 << 20
ENTRY_LIMIT = 4096
"""Bytes of one entry that are shown; also what `journalctl -o json` prints of a field at most."""
LOOK_LIMIT = 1 << 20
"""Bytes of an overlong entry that are read, to count what is left out."""
LOOKS = 4
"""Overlong entries, newest first, of which the beginning is shown: each costs a journalctl."""
EARLIER = "[earlier lines left out]\n"
INVOCATION = re.compile(r"[0-9a-f]{32}")
UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")


class Journal:
    """The journal of this host, or the journal files in `directory`; `user` for a user's own units."""

    def __init__(self, directory: Path | None = None, *, user: bool = False) -> None:
        self._where = ["--directory", str(directory.absolute())] if directory else ["--user"] if user else []
        self._directory, self._user = directory, user
        self._redactor = Redactor()

    async def tail(
        self, unit: str, invocation: str, *, pid: int = 0, max_lines: int = 200, max_bytes: int = LOG_LIMIT
    ) -> str:
        """Return the end of the log of exactly that invocation: its own lines and systemd's about it.

        `pid` is the run's main process, by which lines are known that were filed without an invocation.
        Oldest line first, redacted, `max_bytes` of UTF-8 at most; "" where the journal no longer has it.
        Without an invocation it is the unit's log since the host started. Waits up to 2 s for
        systemd's word that the run has ended, and of these up to 600 ms after it for the run's own lines.
        Raises WatchError when the journal may not be read.
        """
        if max_lines < 1 or max_bytes < 1:
            return ""
        matches = _matches(unit, invocation, user=self._user)
        before: list[Entry] = []
        entries = await self._of_run(unit, invocation, pid, max_lines)
        wait_s, waited_s, since_end_s = FIRST_WAIT_S, 0.0, 0.0
        while not is_whole(unit, entries, before) and waited_s < END_S and since_end_s < LINES_S:
            await asyncio.sleep(wait_s)
            waited_s += wait_s
            since_end_s += wait_s if any(entry.ends for entry in entries) else 0
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            before, entries = entries, await self._of_run(unit, invocation, pid, max_lines)
        lines = await self._lines(without_restarts(entries), matches, max_bytes)
        return self._capped(lines, max_lines, max_bytes)

    async def _of_run(self, unit: str, invocation: str, pid: int, max_lines: int) -> list[Entry]:
        """Return the newest entries of one run, with those that journald filed without its invocation.

        It does so where the process was gone before it could ask whose line that was.
        """
        matches = _matches(unit, invocation, user=self._user)
        if not invocation:
            return await self._entries(matches, max_lines)
        all_runs = _matches(unit, "", user=self._user)[1:]
        entries = await self._entries(all_runs, 2 * max_lines)
        ours = one_run(entries, invocation, str(pid or ""))
        whole = len(entries) < 2 * max_lines or len(ours) >= max_lines or entries[:1] != ours[:1]
        return ours[-max_lines:] if ours and whole else await self._entries(matches, max_lines)

    async def _entries(self, matches: list[str], max_lines: int) -> list[Entry]:
        """Return the newest entries, the quick way if that finds any; else journalctl knows why."""
        found = await asyncio.to_thread(
            sdjournal.newest, self._directory, matches, max_lines, user=self._user, longest=ENTRY_LIMIT
        )
        if entries := [entry for fields in found if (entry := entry_of(fields))]:
            return entries
        argv = self._argv("json", OUTPUT_FIELDS, max_lines, matches)
        try:
            done = await process.run(argv, timeout_s=TIMEOUT_S, limit=OUTPUT_LIMIT)
        except ProcessError as error:
            raise WatchError(f"the journal cannot be read: {error}. Install systemd on this host.") from error
        entries = [entry for line in done.stdout.split(b"\n") if (entry := entry_of(parsed(line)))]
        said = done.stderr.decode(errors="replace")
        closed = "ermission" in said or ("You are currently not seeing" in said and not self._user)
        if closed and not entries:
            raise WatchError(_no_rights())
        if done.timed_out:
            raise WatchError(f"the journal cannot be read: journalctl took more than {TIMEOUT_S:.0f} s.")
        if done.returncode != 0:
            why = printable(said.strip().rpartition("\n")[2])[:300] or f"exit code {done.returncode}"
            raise WatchError(f"the journal cannot be read: journalctl says: {why}")
        return entries

    async def _lines(self, entries: list[Entry], matches: list[str], max_bytes: int) -> list[str]:
        """Return the texts, oldest first, no more of them than `max_bytes` can hold."""
        texts: list[str] = []
        size = looks = 0
        for entry in reversed(entries):
            text = entry.text
            if text is None and looks < LOOKS:
                looks += 1
                text = await self._beginning(entry, matches)
            texts.append(
                printable(text or f"[a line of more than {ENTRY_LIMIT} bytes left out]").rstrip("\n")
            )
            size += len(texts[-1]) + 1
            if size > 2 * max_bytes:  # redaction can make it shorter
                break
        return texts[::-1]

    async def _beginning(self, entry: Entry, matches: list[str]) -> str | None:
        """Return the first `ENTRY_LIMIT` bytes of an overlong entry and how much was left out."""
        argv = self._argv("export", "MESSAGE", 1, ["--cursor", entry.cursor, *matches])
        async with process.start(argv, line_limit=1 << 16) as journalctl:
            out = journalctl.stdout
            raw = bytearray()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    while out and len(raw) < LOOK_LIMIT and (chunk := await out.read(1 << 16)):
                        raw += chunk
            except TimeoutError:
                return None
        if f"__CURSOR={entry.cursor}\n".encode() not in raw[:1024]:
            return None  # rotated away in between
        message, size = _exported(bytes(raw))
        beginning = _whole_words(message[:ENTRY_LIMIT].decode(errors="replace"))
        left_out = size - len(beginning.encode())
        more = "more than " if size > len(message) and b"\nMESSAGE=" in raw else ""
        return f"{beginning} [{more}{left_out} bytes left out]"

    def _capped(self, lines: list[str], max_lines: int, max_bytes: int) -> str:
        """Return the newest lines that fit, redacted as one text, for a secret can have several lines."""
        text = self._redactor.text("\n".join(lines))
        kept = text.split("\n")
        raw = "\n".join(kept[-max_lines:]).encode()
        if len(kept) <= max_lines and len(raw) <= max_bytes:
            return raw.decode()
        room = max_bytes - len(EARLIER)
        if room <= 0:
            return raw[-max_bytes:].decode(errors="ignore")
        if len(raw) > room:
            cut = raw[-room:]
            whole = cut if raw[-room - 1 : -room] == b"\n" else cut.partition(b"\n")[2]
            raw = whole or cut
        return EARLIER + raw.decode(errors="ignore")

    def _argv(self, output: str, fields: str, lines: int, rest: list[str]) -> list[str]:
        return [
            "journalctl",
            *self._where,
            "--no-pager",
            f"--output={output}",
            f"--output-fields={fields}",
            f"--lines={lines}",
            *rest,
        ]


def _matches(unit: str, invocation: str, *, user: bool) -> list[str]:
    """Return journalctl's matches. What claims to be about a unit counts from its manager's user only."""
    if not UNIT.fullmatch(unit):
        raise WatchError(f"the journal was not asked: {unit[:300]!r} is no name of a unit.")
    manager, prefix = (f"_UID={os.getuid()}", "USER_") if user else ("_UID=0", "")
    if invocation:
        if not INVOCATION.fullmatch(invocation):
            raise WatchError(
                f"the journal was not asked: {invocation[:100]!r} is no invocation id of {unit}."
            )
        return [f"_SYSTEMD_INVOCATION_ID={invocation}", "+", f"{prefix}INVOCATION_ID={invocation}", manager]
    own = [f"_SYSTEMD_{prefix}UNIT={unit}", *([manager] if user else [])]
    return ["--boot", *own, "+", f"{prefix}UNIT={unit}", manager]


def _exported(raw: bytes) -> tuple[bytes, int]:
    """Return what was read of MESSAGE, and its size, from the journal's export format.

    NAME=text, or for other bytes NAME, a newline, 64 bits of size and the bytes
    (https://systemd.io/JOURNAL_EXPORT_FORMATS).
    """
    _, binary, sized = raw.partition(b"\nMESSAGE\n")
    if binary:
        return sized[8:][: int.from_bytes(sized[:8], "little")], int.from_bytes(sized[:8], "little")
    text, end, _ = raw.partition(b"\nMESSAGE=")[2].partition(b"\n")
    return text, len(text) + (not end)


def _whole_words(text: str) -> str:
    """Return the text up to a blank near its end, so that no half of a secret stays."""
    kept = text[:-512] + text[-512:].rpartition(" ")[0]
    return kept if len(kept) > len(text) - 512 else text


def _no_rights() -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return (
        f"the journal may not be read by {user}: it must be in the group systemd-journal. "
        f"Run: sudo usermod -aG systemd-journal {user}   and start the watcher anew."
    )

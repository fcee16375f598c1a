"""What makes two failures the same cause: a pure function from a report to a hash.

Only evidence counts: the last Python traceback and the last lines that read like errors. What changes
from one occurrence to the next (times, ids, addresses, numbers, hosts, folders) is taken out first.
Each change of the algorithm gets a new `VERSION`, stored beside the hash.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.core.reports import Failure

VERSION = 2

_LINES = 5
"""Distinct error-like lines that count, from the end of the log."""
_AFTER_TRACEBACK = 3
_FRAMES = 8
"""Innermost frames of a traceback that count; outer ones differ with how the work was started."""
_LINE_LIMIT = 2000
_LOOKED_AT = 200
"""Lines that are compared at most: a report must cost little."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[^\t\x20-\x7e\x85\xa0-\uffff\U00010000-\U0010ffff]")
_STAMP = r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,20})"
_JOURNAL = re.compile(rf"^{_STAMP} \S{{1,255}} [^\s:\[]{{1,64}}(?:\[\d{{1,10}}\])?: ?")
_IDENT = re.compile(r"^[\w.@-]{1,64}\[\d{1,10}\]: ?")
_MANAGER = re.compile(
    r"^\S{1,255}\.(?:service|mount|socket|timer): "
    r"(?:Main process exited|Control process exited|Failed with result '|Scheduled restart job|Consumed "
    r"|Start request repeated too quickly|Service (?:RestartSec|hold-off|reached runtime)|Watchdog timeout"
    r"|(?:State|[Ss]tart|[Ss]top|[Rr]eload)\S* .{0,60}timed out|Killing process|Failed to kill"
    r"|Processes still around|Unit process|Found left-over|Deactivated successfully|Triggering OnFailure"
    r"|A process of this unit has been killed|Unit entered failed state|Will not start)"
    r"|^(?:Started|Starting|Stopped|Stopping|Failed to start) \S.{0,200}(?:\.service|\.\.\.|\.)$"
)
"""What systemd says of any unit: it changes between restarts; result and status hold what counts of it."""
_ERROR = re.compile(
    r"error|fatal|panic|exception|fail|cannot|can't|could not|unable|abort|denied|refused|no such|not found"
    r"|segmentation|assert|critical|killed|out of memory|illegal|invalid|undefined|unexpected|unsupported"
    r"|missing|timed? ?out|not permitted|already in use|no space|corrupt|unreachable|broken pipe|overflow",
    re.IGNORECASE,
)
_FRAME = re.compile(r'^\s+File "([^"\n]{0,1000})", line \d+(?:, in (.{0,300}))?')
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]{0,200}(?::|$)")
_NEXT_LINE_SAYS_IT = re.compile(r"panicked at .{0,400}:\d+:\d+:$")  # Rust since 1.73

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_UNITS = r"ns|us|µs|ms|s|secs?|seconds?|mins?|minutes?|h|hours?|[kKMGT]i?B?|bytes|B|%"
_RULES = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
        (r"(\.[A-Za-z]\w{0,5}):\d+(?::\d+)?\b", r"\1:#"),  # a place in a source file
        (
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?",
            "<time>",
        ),
        (rf"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?{_MONTH} [ \d]?\d\b", "<time>"),
        (r"\b\d{1,4}[/.]\d{1,2}[/.]\d{2,4}(?=[ T]\d)", "<time>"),
        (r"\b\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?[AP]M)?\b", "<time>"),
        (r"<time>(?:[ T,]{1,2}(?:\d{4} )?<time>)+(?: \d{4}\b)?", "<time>"),
        (r"(?i)\b0x[0-9a-f]+\b", "<address>"),
        (r"(?i)\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b", "<address>"),
        (r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?::\d{1,5})?(?![\w.]*\w)", "<address>"),
        (
            r"(?i)\[?(?<![\w:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}(?![\w:])(?:%\w+)?\]?(?::\d{1,5})?",
            "<address>",
        ),
        (r"(?<=[?])[^\s\"'<>)\]]+", "<query>"),
        (
            r"(?<![\w/:.<-])/(?:(?:var/)?tmp|dev/shm)/[^\s/:'\"`,;()\[\]]+(?=[\s:'\"`,;()\[\]]|$)",
            "<temporary>",
        ),
        (r"(?<![\w/:.<-])(?:~|\.{1,2})?/(?:[^\s/:'\"`,;()\[\]]+/)+", ""),
        (r"\btmp[a-z0-9_]{6,12}\b", "<temporary>"),
        (r"(?i)\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}\b", "<id>"),
        (r"\b(?=[A-Za-z_-]*\d)[\w-]{20,}\b", "<id>"),
        (rf"\d+(?:[.,]\d+)*(?: ?(?:{_UNITS})\b)?", "#"),
        (r"#(?:\s+#)+", "#"),
        (r"\s+", " "),
    )
)
_INSTANCE = re.compile(r"@\d+(?=\.)")


def fingerprint(failure: Failure) -> tuple[str, int]:
    """Return the SHA-256 of what makes this failure itself, in hex, and the algorithm's version.

    The text hashed is JSON-free and one part a line: unit (a number as instance counts as any number),
    result, exit status, then the evidence of the log.
    """
    unit = _INSTANCE.sub("@#", failure.unit)
    parts = [
        f"v{VERSION}",
        unit,
        failure.result,
        failure.exit_status,
        *evidence(failure.log, failure.host, unit),
    ]
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest(), VERSION


def evidence(log: str, host: str = "", unit: str = "") -> list[str]:
    """Return the lines of a log that say why it failed, with what varies taken out."""
    lines = [line for raw in log.splitlines() if (line := _clean(raw)).strip() and not _MANAGER.search(line)]
    name = _host(host, unit)
    start = max((i for i, line in enumerate(lines) if _TRACEBACK in line), default=None)
    if start is not None:
        frames, end = _traceback(lines, start)
        after = _last_distinct(_errors(lines[end:]), _AFTER_TRACEBACK, name)
        return [*frames, *_last_distinct(lines[end - 1 : end], 1, name), *after]
    return _last_distinct(_errors(lines), _LINES, name) or _last_distinct(lines[-1:], 1, name)


def _traceback(lines: list[str], start: int) -> tuple[list[str], int]:
    """Return the innermost frames (file name and function) and the index behind the exception's line."""
    frames: list[str] = []
    for i, line in enumerate(lines[start + 1 :], start + 1):
        if frame := _FRAME.match(line):
            where = f"{frame[1].rsplit('/', 1)[-1]} {frame[2] or ''}"
            if not frames or frames[-1] != where:  # a recursion's depth does not matter
                frames.append(where)
        elif _EXCEPTION.match(line):
            return frames[-_FRAMES:], i + 1
    return frames[-_FRAMES:], len(lines)


def _errors(lines: list[str]) -> list[str]:
    found = []
    for i, line in enumerate(lines):
        if _ERROR.search(line) or (i and _NEXT_LINE_SAYS_IT.search(lines[i - 1])):
            found.append(line)
    return found


def _last_distinct(lines: Iterable[str], count: int, host: re.Pattern[str] | None) -> list[str]:
    """Return the last distinct lines, sorted: threads do not fail in order."""
    kept: list[str] = []
    for line in reversed(list(lines)[-_LOOKED_AT:]):
        plain = _normal(line, host)
        if plain and plain not in kept:
            kept.append(plain)
        if len(kept) == count:
            break
    return sorted(kept)


def _clean(raw: str) -> str:
    line = _CONTROL.sub("", _ANSI.sub("", raw[: 2 * _LINE_LIMIT]))[:_LINE_LIMIT]
    return _IDENT.sub("", _JOURNAL.sub("", line, count=1), count=1).rstrip()


def _normal(line: str, host: re.Pattern[str] | None) -> str:
    if host:
        line = host.sub("<host>", line)
    for pattern, to in _RULES:
        line = pattern.sub(to, line)
    return line.strip()[:500]


def _host(host: str, unit: str) -> re.Pattern[str] | None:
    """Return a pattern for the host's own name, unless it could be taken for the unit's."""
    if len(host) < 2 or len(host) > 255 or host.lower() in unit.lower():
        return None
    return re.compile(rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)", re.IGNORECASE)

"""Reports on disk while Redis is away: each in a file of its own, which survives kill -9 and a power cut."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from app.core import logs
from app.core.errors import WatchError
from app.core.reports import Failure, Recovery

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"\d{20}-[fr][0-9a-f]{32}-[0-9a-f]{32}\.json")
ASIDE = "unreadable"
UNFINISHED = ".tmp"
KINDS: dict[str, type[Failure | Recovery]] = {"failure": Failure, "recovery": Recovery}


class Spool:
    """A folder of reports that wait, oldest first by name. One watcher at a time uses it."""

    def __init__(self, folder: Path, *, max_files: int = 1000) -> None:
        """Make the folder (mode 700) and clear what an interrupted `put` left. Raises WatchError."""
        self._folder, self._max_files = folder, max_files
        self._kept: dict[str, str] = {}  # digests of ids, and the names of their files, oldest first
        self._newest = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in folder.glob(f"*{UNFINISHED}"):
                left.unlink(missing_ok=True)
            self._look()
        except OSError as error:
            raise _unusable(folder, error) from error

    def put(self, failure: Failure | Recovery) -> None:
        """Keep a report; when this returns it is on the disk. One that is there already, by id, stays one.

        Raises WatchError, for instance on a full disk: nothing was kept, so the caller still holds the
        report. Over `max_files` the oldest report of a unit that has a newer one goes, else the oldest.
        """
        digest = _digest(failure.id)
        same = self._kept.get(digest)
        try:
            if same and (self._folder / same).exists():
                return
            self._newest = max(time.time_ns(), self._newest + 1)  # in order even if the clock is set back
            name = f"{self._newest:020d}-{_subject(failure)}-{digest}.json"
            self._write(name, _content(failure))
        except OSError as error:
            raise _unusable(self._folder, error) from error
        self._kept.pop(digest, None)
        self._kept[digest] = name
        if len(self._kept) > self._max_files:
            self._make_room()

    def waiting(self) -> list[Path]:
        """Return the reports' files, oldest first. Raises WatchError."""
        try:
            self._look()
        except OSError as error:
            raise _unusable(self._folder, error) from error
        return [self._folder / name for name in self._kept.values()]

    def read(self, path: Path) -> Failure | Recovery | None:
        """Return the report, or None when it is gone or was unreadable and moved aside. Raises WatchError."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            whole = json.loads(content)
            return KINDS[whole["kind"]].model_validate(whole["report"])
        except (ValueError, LookupError, TypeError, RecursionError):
            self._move_aside(path)
            return None

    def drop(self, path: Path) -> None:
        """Delete a report that was delivered; one that is gone already is fine. Raises WatchError."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(path, error) from error
        self._forget(path)

    def _forget(self, path: Path) -> None:
        digest = path.stem.rpartition("-")[2]
        if self._kept.get(digest) == path.name:
            del self._kept[digest]

    def _look(self) -> None:
        """Learn what is there; in between it is remembered, since a long listing costs more than a `put`."""
        with os.scandir(self._folder) as found:
            names = sorted(entry.name for entry in found if NAME.fullmatch(entry.name))
        self._kept = {name[:-5].rpartition("-")[2]: name for name in names}
        self._newest = int(names[-1].partition("-")[0]) if names else 0

    def _write(self, name: str, content: bytes) -> None:
        unfinished = self._folder / (name + UNFINISHED)
        try:
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self._folder / name)
            _sync_folder(self._folder)
        except OSError:
            for each in (unfinished, self._folder / name):
                with contextlib.suppress(OSError):
                    each.unlink()
            raise

    def _make_room(self) -> None:
        """Drop what is over `max_files`; the newest report always stays."""
        names = list(self._kept.values())
        while len(names) > max(1, self._max_files):
            times = Counter(_subject_in(name) for name in names)
            repeated = (name for name in names[:-1] if times[_subject_in(name)] > 1)
            gone = next(repeated, names[0])
            names.remove(gone)
            path = self._folder / gone
            try:
                report = self.read(path)
                self.drop(path)
            except WatchError as error:
                logs.get().error(
                    "the spool is over its limit and cannot drop a report", file=str(path), error=str(error)
                )
                return
            if report:
                logs.get().warning(
                    "the spool is full: dropped its oldest report",
                    unit=report.unit,
                    at=report.at.isoformat(),
                    report=report.id,
                    repeated=times[_subject_in(gone)] > 1,
                )

    def _move_aside(self, path: Path) -> None:
        aside = self._folder / ASIDE / path.name
        try:
            aside.parent.mkdir(mode=0o700, exist_ok=True)
            path.rename(aside)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unusable(path, error) from error
        self._forget(path)
        logs.get().error("a report in the spool cannot be read and was moved aside", file=str(aside))


def _content(report: Failure | Recovery) -> bytes:
    kind = "recovery" if isinstance(report, Recovery) else "failure"
    return json.dumps({"kind": kind, "report": report.model_dump(mode="json")}).encode()


def _subject(report: Failure | Recovery) -> str:
    """Name what repeats: a unit's failures, or its recoveries, on one host."""
    kind = "r" if isinstance(report, Recovery) else "f"
    return kind + _digest("\n".join((report.project, report.host, report.unit)))


def _subject_in(name: str) -> str:
    return name.split("-")[1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unusable(path: Path, error: OSError) -> WatchError:
    reason = error.strerror or str(error)
    return WatchError(
        f"the spool {path} cannot be used: {reason}. Free some space, or let the watcher write there."
    )

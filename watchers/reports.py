"""From a failed round to a report: its log and its facts, off the path of the signals."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from app.core import logs
from app.core.errors import PimaintenoError, WatchError
from app.core.reports import Failure, Recovery
from watchers.settle import Recovered
from watchers.units import path_of, report_id, type_interface

if TYPE_CHECKING:
    from app.core.settings import Settings
    from watchers.journal import Journal
    from watchers.post import Post
    from watchers.systemd import Systemd
    from watchers.units import Round

AT_ONCE = 4
"""Logs that are read at the same time: each starts a program."""
MOST_WAITING = 20_000
MEMORY = ("MemoryPeak", "MemoryCurrent")
"""The second has been there for longer: an answer with it alone says that this systemd keeps no peaks."""
NO_PEAK = 2**64 - 1
"""What systemd says where it did not count memory."""


class Reporter:
    """Makes a report of each outcome that it is given, and hands it to the post."""

    def __init__(self, settings: Settings, journal: Journal, post: Post) -> None:
        self._settings, self._journal, self._post = settings, journal, post
        self._host = socket.gethostname()
        self._waiting: asyncio.Queue[Round | Recovered] = asyncio.Queue()
        self._no_log = ""
        self._without_peaks: Systemd | None = None
        self.systemd: Systemd | None = None

    def put(self, outcome: Round | Recovered) -> None:
        """Take an outcome, at once."""
        if self._waiting.qsize() >= MOST_WAITING:
            unit = outcome.first.unit if isinstance(outcome, Recovered) else outcome.unit
            logs.get().error("report dropped: too many wait", unit=unit, waiting=MOST_WAITING)
            return
        self._waiting.put_nowait(outcome)

    async def run(self) -> None:
        """Report for ever."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._work())

    async def finish(self) -> None:
        """Wait until all that was given is with the post."""
        await self._waiting.join()

    async def _work(self) -> None:
        while True:
            outcome = await self._waiting.get()
            try:
                await self._report(outcome)
            finally:
                self._waiting.task_done()

    async def _report(self, outcome: Round | Recovered) -> None:
        round_ = outcome.first if isinstance(outcome, Recovered) else outcome
        projects = self._settings.project_of_unit(round_.unit)
        log, peak = "", None
        if not isinstance(outcome, Recovered):
            log, peak = await asyncio.gather(self._log(round_), self._memory_peak(round_.unit))
        for project in projects:
            made = report_id(type(outcome).__name__, project, self._host, round_.unit, round_.name)
            if isinstance(outcome, Recovered):
                await self._post.send(
                    Recovery(
                        id=made,
                        project=project,
                        unit=round_.unit,
                        host=self._host,
                        at=round_.at,
                        after_s=outcome.after_s,
                        result=round_.result,
                    )
                )
            else:
                await self._post.send(self._failure(made, project, round_, log, peak))
            logs.get().info("reported", project=project, unit=round_.unit, outcome=type(outcome).__name__)

    def _failure(self, made: str, project: str, round_: Round, log: str, peak: int | None) -> Failure:
        return Failure(
            id=made,
            project=project,
            unit=round_.unit,
            host=self._host,
            at=round_.at,
            result=round_.result,
            exit_status=round_.exit_status,
            restarts=round_.restarts,
            invocation=round_.invocation,
            systemd=self.systemd.version if self.systemd else "",
            memory_peak=peak,
            log=log,
        )

    async def _log(self, round_: Round) -> str:
        """Return the round's log; where it cannot be read, why not: the failure is reported all the same."""
        try:
            log = await self._journal.tail(round_.unit, round_.invocation, pid=round_.pid)
        except PimaintenoError as error:
            if str(error) != self._no_log:
                self._no_log = str(error)
                logs.get().warning("a log cannot be read", unit=round_.unit, reason=self._no_log)
            return f"(no log: {error})"
        self._no_log = ""
        return log

    async def _memory_peak(self, unit: str) -> int | None:
        systemd, interface = self.systemd, type_interface(unit)
        if systemd is None or interface is None or systemd is self._without_peaks:
            return None
        try:
            found = await systemd.read(path_of(unit), interface, MEMORY)
        except WatchError:
            return None
        if MEMORY[0] not in found and MEMORY[1] in found:
            self._without_peaks = systemd  # it is not asked again
        peak = found.get(MEMORY[0])
        return peak if isinstance(peak, int) and peak != NO_PEAK else None

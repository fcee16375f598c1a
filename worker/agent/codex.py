"""One question to the Codex CLI: run it in the box, watch over it, and read its answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from app.core import process
from app.core.changes import Usage
from app.core.errors import Failed, ProcessError, SandboxError, StopWork
from worker.agent import codex_config, codex_threads, program, prompts, sandbox, taxonomy
from worker.agent.codex_config import Retries
from worker.agent.codex_events import Story

if TYPE_CHECKING:
    from pathlib import Path

    from app.core.settings import Settings
    from worker.agent.sandbox import Box, Place
    from worker.context import Work

M = TypeVar("M", bound=BaseModel)

_versions: dict[tuple[Path, int], str] = {}


@dataclass(frozen=True)
class Reply(Generic[M]):
    """What the model answered, what this asking took, and the thread to resume."""

    answer: M
    usage: Usage
    thread: str


@dataclass(frozen=True)
class _Turn:
    """One run of the CLI that came to its end."""

    text: str
    thread: str


@dataclass(frozen=True)
class _Seat:
    """Where the CLI runs: the same for each turn of one question."""

    work: Work
    tree: Place
    box: Box
    home: Path
    schema: Path
    writable: bool
    bills: list[Usage]

    @property
    def usage(self) -> Usage:
        """All that was taken so far."""
        total = Usage()
        for bill in self.bills:
            total = total.plus(bill)
        return total

    def argv(self, thread: str | None) -> list[str]:
        """Return the whole command line, sandbox included."""
        settings = self.work.settings
        inner = codex_config.command(
            settings, self.tree.path, self.schema, writable=self.writable, thread=thread
        )
        return sandbox.command(self.work, self.box, inner, tree=self.tree, network=True, codex_home=self.home)

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the CLI; its commands get none of the key."""
        return sandbox.environment(self.box) | codex_config.environment(self.work.settings, self.home)


async def ask(
    work: Work,
    project: str,
    tree: Place,
    box: Box,
    *,
    prompt: str,
    answer: type[M],
    writable: bool,
    resume: str | None = None,
    retries: Retries = Retries(),  # noqa: B008 - frozen
) -> Reply[M]:
    """Ask the model and return its answer, read as `answer`; with `writable` it may edit the worktree.

    An answer that cannot be read is asked for once more, in the same thread. A question that does not
    fit into the model's context is asked once more, in a new thread, with less of its data. Raises what
    `taxonomy` makes of a failure; its `usage` says what was taken all the same.
    """
    await sandbox.preflight(work)
    home = work.paths.codex_home(project)
    codex_config.write(work.settings, home, retries, tree=tree.path, clone=tree.clone)
    await asyncio.to_thread(codex_threads.prune, home)
    schema = codex_config.schema(home, answer)
    seat = _Seat(work, tree, box.apart(), home, schema, writable, [])
    try:
        turn = await _fitting(seat, prompt, resume)
        read = _read(turn.text, answer)
        if isinstance(read, str):
            turn = await _turn(seat, prompts.correction(read), turn.thread)
            read = _read(turn.text, answer)
        if isinstance(read, str):
            raise Failed(f"the model gave no answer that can be read, also when asked again: {read}")
    except StopWork as stop:
        stop.usage = seat.usage
        raise
    return Reply(read, seat.usage, turn.thread)


async def version(settings: Settings) -> str:
    """Return the version of the Codex CLI; asked once for each binary."""
    binary = program.codex(settings).binary
    key = (binary, binary.stat().st_mtime_ns)
    if key not in _versions:
        done = await process.run([str(binary), "--version"], timeout_s=30)
        if done.returncode != 0:
            raise ProcessError(f"{binary} --version failed: {done.stderr.decode(errors='replace')[-200:]}")
        _versions[key] = done.stdout.decode(errors="replace").strip().rpartition(" ")[2]
    return _versions[key]


async def _fitting(seat: _Seat, prompt: str, thread: str | None) -> _Turn:
    """Take a turn, and once more with less data where it does not fit into the model's context."""
    try:
        return await _turn(seat, prompt, thread)
    except taxonomy.OutOfRoom:
        return await _turn(seat, prompts.shorter(prompt), None)


async def _turn(seat: _Seat, prompt: str, thread: str | None) -> _Turn:
    """Run the CLI once, bill it, and return what it said; raise what it failed by."""
    before = await asyncio.to_thread(codex_threads.spent, seat.home, thread)
    story = Story(thread=thread)
    try:
        returncode, stderr = await _run(seat, prompt, thread, story)
    finally:
        total = story.total
        if total is None:
            total = await asyncio.to_thread(codex_threads.spent, seat.home, story.thread)
        seat.bills.append(_difference(total, before))
    error = taxonomy.outcome(story, returncode, stderr)
    if story.sandbox_broken or isinstance(error, SandboxError):
        await sandbox.preflight(seat.work, anew=True)  # a command can print what a broken sandbox prints
    if error is not None:
        raise error
    return _Turn(story.text, story.thread or "")


async def _run(seat: _Seat, prompt: str, thread: str | None, story: Story) -> tuple[int, str]:
    """Run the CLI to its end under both watchdogs; return its exit code and its last words."""
    words = process.Tail(4096)
    async with process.start(seat.argv(thread), env=seat.environment()) as running:
        stdin, stdout = running.stdin, running.stdout
        if stdin is None or stdout is None:
            raise ProcessError("the Codex CLI was started without pipes")
        errors = asyncio.create_task(_pour(running.stderr, words))
        feeding = asyncio.create_task(_feed(stdin, prompt))
        try:
            await _listen(stdout, story, seat.work.settings)
            returncode = await process.exited(running)
            await asyncio.wait([errors], timeout=1)
        finally:
            feeding.cancel()
            errors.cancel()
    return returncode, words.bytes().decode(errors="replace")


async def _listen(stdout: asyncio.StreamReader, story: Story, settings: Settings) -> None:
    """Take the events in until they end; raise when they stop coming or time is up."""
    end = time.monotonic() + settings.codex.timeout_s
    while True:
        left = end - time.monotonic()
        try:
            async with asyncio.timeout(min(settings.codex.idle_s, left)):
                line = await _line(stdout)
        except TimeoutError:
            row = taxonomy.TOO_LONG if left <= settings.codex.idle_s else taxonomy.SILENT
            raise taxonomy.because(row) from None
        if not line:
            return
        story.take(line)


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line; one beyond the pipe's limit is dropped, and was an event all the same."""
    try:
        return await stream.readline()
    except ValueError:
        return b"{}\n"


async def _feed(stdin: asyncio.StreamWriter, prompt: str) -> None:
    """Write the prompt and close the pipe: an open one blocks the CLI for ever."""
    try:
        stdin.write(prompt.encode(errors="replace"))
        await stdin.drain()
    except ConnectionError:
        return  # it ended before it had read all; its exit code tells why
    finally:
        stdin.close()


async def _pour(stream: asyncio.StreamReader | None, into: process.Tail) -> None:
    while stream is not None and (chunk := await stream.read(1 << 16)):
        into.add(chunk)


def _read(text: str, answer: type[M]) -> M | str:
    """Return the answer, or what is wrong with it: the CLI sends the schema but checks nothing."""
    if not text.strip():
        return "the answer is empty"
    try:
        return answer.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"


def _difference(total: Usage, before: Usage) -> Usage:
    """Return what came on top, never less than nothing: a lost record must not earn tokens."""
    return Usage(
        input=max(0, total.input - before.input),
        cached=max(0, total.cached - before.cached),
        output=max(0, total.output - before.output),
    )

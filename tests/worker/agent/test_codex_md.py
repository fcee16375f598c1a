"""What becomes of a run whose summary cannot be had: a scan waits for it, a proven fix not for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.core.changes import Change, Changeset, Summary, Usage
from app.core.errors import Failed, Refused, RetryLater, Skipped, StopWork
from app.core.models import Kind
from app.store import projects, runs, tables
from tests.worker.agent.conftest import a_run
from worker.agent import codex_md

if TYPE_CHECKING:
    from app.core.models import Run
    from worker.context import Work

FIX = Changeset(base="0" * 40, changes=(Change(path="app.py", content=b"1\n"),))
BUSY = "the model server is limiting requests"


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the question to the model comes to: an error, or (summary, usage, present text)."""
    held: list[Any] = []

    async def ask(*_: object) -> Any:
        if isinstance(held[0], StopWork):
            raise held[0]
        return held[0]

    monkeypatch.setattr(codex_md, "_summary", ask)
    return held


async def test_a_fix_goes_on_without_at_the_third_failure(work: Work, outcome: list[Any]) -> None:
    run = await a_run(work)
    outcome[:] = [RetryLater(BUSY, after_s=1)]
    for _ in range(2):
        with pytest.raises(RetryLater):
            await codex_md.describe(work, await _now(work, run), FIX)
    columns = await codex_md.describe(work, await _now(work, run), FIX)
    assert columns == {"notes": (f"codex.md was not refreshed: {BUSY}",), "usage": Usage()}


@pytest.mark.parametrize("stop", [Failed("no answer"), Refused("it holds a secret")])
async def test_a_fix_goes_on_at_once_where_trying_again_is_no_use(
    work: Work, outcome: list[Any], stop: StopWork
) -> None:
    stop.usage = Usage(input=7)
    outcome[:] = [stop]
    columns = await codex_md.describe(work, await a_run(work), FIX)
    assert columns == {"notes": (f"codex.md was not refreshed: {stop}",), "usage": Usage(input=7)}


@pytest.mark.parametrize(
    "stop", [RetryLater("no key", after_s=1, pause=True), RetryLater("midnight", after_s=1, counts=False)]
)
async def test_a_fix_waits_where_a_person_or_a_day_will_help(
    work: Work, outcome: list[Any], stop: RetryLater
) -> None:
    outcome[:] = [stop]
    run = await a_run(work)
    for _ in range(4):
        with pytest.raises(RetryLater):
            await codex_md.describe(work, await _now(work, run), FIX)


async def test_a_scan_is_nothing_without_its_summary(work: Work, outcome: list[Any]) -> None:
    run, nothing = await a_run(work, Kind.SUMMARISE), Changeset(base="0" * 40)
    outcome[:] = [Failed("no answer")]
    with pytest.raises(Failed):
        await codex_md.describe(work, run, nothing)
    outcome[:] = [(Summary(changed=False, codex_md=""), Usage(), "# greeter\n")]
    with pytest.raises(Skipped, match="current"):
        await codex_md.describe(work, run, nothing)


@pytest.mark.parametrize(("present", "stands"), [("# greeter\n", "current"), (None, "missing")])
async def test_a_scan_that_changes_nothing_leaves_the_project_as_it_found_it(
    work: Work, outcome: list[Any], present: str | None, stands: str
) -> None:
    run = await a_run(work, Kind.SUMMARISE)
    async with work.store.write() as tx:
        await projects.scanned(tx, run.project, summary="outdated" if present else "missing")
    outcome[:] = [(Summary(changed=False, codex_md=""), Usage(), present)]
    with pytest.raises(Skipped):
        await codex_md.describe(work, run, Changeset(base="0" * 40))
    async with work.store.read() as tx:
        found = await tx.execute(select(tables.projects.c.summary))
    assert found.scalars().all() == [stands]


async def test_a_failed_try_is_forgotten_once_it_worked(work: Work, outcome: list[Any]) -> None:
    run = await a_run(work)
    outcome[:] = [RetryLater(BUSY, after_s=1)]
    with pytest.raises(RetryLater):
        await codex_md.describe(work, run, FIX)
    outcome[:] = [(Summary(changed=True, codex_md="# new\n"), Usage(input=3), "# old\n")]
    columns = await codex_md.describe(work, await _now(work, run), FIX)
    assert columns["notes"] == ()
    assert columns["codex_md_diff"] == "--- a/codex.md\n+++ b/codex.md\n@@ -1 +1 @@\n-# old\n+# new\n"
    assert [change.path for change in columns["changeset"].changes] == ["app.py", "codex.md"]


async def _now(work: Work, run: Run) -> Run:
    async with work.store.read() as tx:
        return await runs.get(tx, run.id)

"""What one question costs: nothing the second time, and nothing beyond the day's tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.core.changes import Change, Changeset, Usage
from app.core.errors import RetryLater
from tests.e2e import greeter
from tests.worker.agent.conftest import a_run
from worker.agent import results
from worker.agent.worktree import Tree
from worker.git import commands

if TYPE_CHECKING:
    from pathlib import Path

    from worker.context import Work


async def test_a_day_has_so_many_tokens_and_no_more(work: Work) -> None:
    run = await a_run(work)
    await results.afford(work)
    await work.save(run, usage=Usage(input=99_000, output=1_000))
    with pytest.raises(RetryLater, match="daily_token_limit") as stop:
        await results.afford(work)
    assert not stop.value.counts
    assert not stop.value.pause
    left = (
        24 * 3600
        - (datetime.now(UTC) - datetime.now(UTC).replace(hour=0, minute=0, second=0)).total_seconds()
    )
    assert abs(stop.value.after_s - left) < 5


async def test_the_key_of_an_answer_is_what_it_depends_on(work: Work, place: Path) -> None:
    bare = greeter.make(place)
    first = greeter.git("rev-parse", "main", at=bare)
    same = greeter.commit(place / "checkout", {"codex.md": "# greeter\n"}, "Only the summary")
    other = greeter.commit(place / "checkout", {"names.txt": "Alan\n"}, "Other names")
    run = await a_run(work)

    def at(commit: str) -> Tree:
        return Tree(bare, bare, commit, commands.ours(work.settings))

    key = await results.key(work, run, at(first), cause="f1")
    assert await results.key(work, run, at(same), cause="f1") == key  # codex.md itself does not count
    fix = Changeset(base=first, changes=(Change(path="names.txt", content=b"Alan\n"),))
    different = {
        await results.key(work, run, at(other), cause="f1"),
        await results.key(work, run, at(first), cause="f2"),
        await results.key(work, run.model_copy(update={"retry": 1}), at(first), cause="f1"),
        await results.key(work, run, at(first), changeset=Changeset(base=first)),
        await results.key(work, run, at(first), changeset=fix),
    }
    assert len(different | {key}) == 6
    # a summary of what a merge will make is the summary of what it made
    assert await results.key(work, run, at(other), changeset=Changeset(base=other)) in different


async def test_what_was_answered_is_recalled(work: Work) -> None:
    run = await a_run(work)
    assert await results.recall(work, "k") is None
    await results.remember(work, run, "k", {"codex_md": "# greeter\n"})
    assert await results.recall(work, "k") == {"codex_md": "# greeter\n"}

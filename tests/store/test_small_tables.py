"""deliveries, results and projects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import event

from app.core.base import now
from app.core.changes import Change, Changeset, CodexMd
from app.core.models import Kind, ProposalState
from app.core.settings import load
from app.store import deliveries, projects, proposals, results

if TYPE_CHECKING:
    from pathlib import Path

    from app.store.database import Store

TOML = """
state_dir = "{state}"
[forges.here]
kind = "local"
[projects.greeter]
forge = "here"
repo = "{state}/greeter.git"
units = ["greeter.service", "greeter-*.timer"]
[projects.another]
forge = "here"
repo = "{state}/another.git"
"""


async def test_a_delivery_is_new_once(store: Store, other: Store) -> None:
    async def add(which: Store) -> bool:
        async with which.write() as tx:
            return await deliveries.add(tx, "hub", "d1", "pull_request", {"X-GitHub-Event": "pull_request"})

    assert sorted(await asyncio.gather(add(store), add(other), add(store))) == [False, False, True]
    async with store.write() as tx:
        assert await deliveries.add(tx, "lab", "d1", "merge_request")
        assert await deliveries.add(tx, "hub", "d2", "push")


async def test_what_came_of_a_delivery(store: Store) -> None:
    async with store.write() as tx:
        assert await deliveries.get(tx, "reports", "r1") is None
        await deliveries.add(tx, "reports", "r1", "failure", {"host": "pi"})
        waiting = await deliveries.get(tx, "reports", "r1")
        await deliveries.done(tx, "reports", "r1", result="proposal", proposal_id=4)
        done = await deliveries.get(tx, "reports", "r1")

    assert waiting is not None
    assert (waiting.result, waiting.done_at, waiting.headers) == (None, None, {"host": "pi"})
    assert done is not None
    assert (done.result, done.proposal_id) == ("proposal", 4)
    assert done.done_at is not None


async def test_results_are_kept_and_replaced(store: Store) -> None:
    changeset = Changeset(base="a", changes=(Change(path="b", content=b"\x00" * 100_000),))
    async with store.write() as tx:
        assert await results.get(tx, "k") is None
        await results.put(tx, "k", kind="fix", project="greeter", value={"old": True})
        await results.put(tx, "k", kind="fix", project="greeter", value={"changeset": changeset})
    async with store.read() as tx:
        found = await results.get(tx, "k")

    assert found is not None
    assert Changeset.model_validate(found["changeset"]) == changeset


async def test_codex_md_is_kept_of_one_commit_at_a_time(store: Store) -> None:
    async with store.write() as tx:
        assert await projects.codex_md(tx, "greeter") is None
        await projects.saw(tx, "greeter", url="https://example.org/greeter")
        assert await projects.codex_md(tx, "greeter") is None
        await projects.keep_codex_md(tx, "greeter", CodexMd(text="old", commit="a", cut=True))
        await projects.keep_codex_md(tx, "greeter", CodexMd(text="n\u00e9w\0", commit="b"))
        await projects.keep_codex_md(tx, "another", CodexMd(text=None, commit="c"))
    async with store.read() as tx:
        assert await projects.codex_md(tx, "greeter") == CodexMd(text="n\u00e9w\ufffd", commit="b")
        assert await projects.codex_md_commit(tx, "greeter") == "b"
        assert await projects.codex_md(tx, "another") == CodexMd(text=None, commit="c")


async def test_a_list_of_projects_does_not_load_codex_md(store: Store, tmp_path: Path) -> None:
    config = tmp_path / "pimainteno.toml"
    config.write_text(TOML.format(state=tmp_path))
    asked: list[str] = []
    async with store.read() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
        await projects.views(tx, load(config, env={}))
    assert asked
    assert not [sql for sql in asked if "codex_md" in sql]


async def test_projects_are_the_configured_ones_with_what_we_saw(store: Store, tmp_path: Path) -> None:
    config = tmp_path / "pimainteno.toml"
    config.write_text(TOML.format(state=tmp_path))
    settings = load(config, env={})
    async with store.write() as tx:
        await projects.saw(tx, "greeter", url="https://example.org/greeter", last_commit="a")
        await projects.saw(tx, "greeter", default_branch="main", last_commit="b")
        await projects.saw(tx, "greeter")
        await projects.saw(tx, "gone")
        await projects.scanned(tx, "greeter", summary="current")
        for number, state in enumerate(ProposalState):
            made = await proposals.create(tx, project="greeter", kind=Kind.FIX, branch=str(number), title="")
            await proposals.update(tx, made.id, state=state)
        another, greeter = await projects.views(tx, settings)

    assert (another.name, another.open, another.last_scan, another.summary) == ("another", 0, None, None)
    assert (greeter.name, greeter.forge, greeter.open) == ("greeter", "here", 3)
    assert greeter.units == ("greeter.service", "greeter-*.timer")
    assert (greeter.url, greeter.last_commit, greeter.summary) == (
        "https://example.org/greeter",
        "b",
        "current",
    )
    assert greeter.last_scan is not None
    assert greeter.last_scan <= now()

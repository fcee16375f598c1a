"""What reading from GitHub costs: what has not changed nothing, and little where there is little."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.doubles.github import GitHub
from tests.worker.forges.github_place import BRANCH, REPO, TOKEN, Clock, forge_of, mended
from worker.forges.github.answers import Answer
from worker.forges.github.kept import Kept
from worker.forges.pacer import BREATH_S, Pacer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.doubles.origin import Origin
    from worker.forges.base import Remote
    from worker.forges.github.forge import GitHubForge


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return mended(tmp_path / "owner")


@pytest.fixture
async def github(tmp_path: Path, origin: Origin) -> AsyncIterator[GitHub]:
    async with GitHub(tmp_path / "hub", repos={REPO: origin.bare}, token=TOKEN) as github:
        yield github


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forge(github: GitHub, clock: Clock) -> GitHubForge:
    return forge_of(github, clock)


@pytest.fixture
def number(github: GitHub) -> int:
    return github.open(REPO, BRANCH, title="Mend it", by="me").number


async def read(forge: GitHubForge, number: int = 1) -> Remote:
    there = await forge.read(number)
    assert there is not None
    return there


async def test_what_has_not_changed_costs_nothing(forge: GitHubForge, github: GitHub, number: int) -> None:
    first = await read(forge)
    standing = await forge.standing(first)
    left = github.quota.remaining
    for _ in range(3):
        assert await read(forge) == first
        assert await forge.standing(first) == standing
    assert github.quota.remaining == left
    github.edit(REPO, 1, title="Better")
    github.check(REPO, 1, "build", "failure")
    assert (await read(forge)).title == "Better"
    assert (await forge.standing(first)).ci == "failure"
    assert github.quota.remaining == left - 2


async def test_later_pages_are_found_again_where_the_first_has_not_changed(
    forge: GitHubForge, github: GitHub, number: int
) -> None:
    for each in range(101):
        github.comment(REPO, 1, str(each))
    remote = await read(forge)
    assert len(await forge.comments(remote, after=0)) == 101
    left = github.quota.remaining
    assert len(await forge.comments(remote, after=0)) == 101
    assert github.quota.remaining == left


def answer(etag: str, body: bytes) -> Answer:
    return Answer("GET /x", 200, {"etag": etag} if etag else {}, body)


def test_no_more_is_kept_than_there_is_room_for() -> None:
    kept = Kept(entries=2)
    for key in ("a", "b"):
        kept.keep(key, answer(key, b"{}"))
    assert kept.get("a") == answer("a", b"{}")
    kept.keep("c", answer("c", b"{}"))
    assert [key for key in "abc" if kept.get(key)] == ["a", "c"]
    kept.keep("a", answer("", b"{}"))
    assert kept.get("a") is None
    kept = Kept(most=100)
    kept.keep("long", answer("x", bytes(range(256)) * 2))
    assert kept.get("long") is None
    for each in range(20):
        kept.keep(each, answer("x", b'{"a": 1}' * 3))
    assert 0 < sum(kept.get(each) is not None for each in range(20)) < 10
    assert kept.get(19) is not None


async def test_little_left_is_spread_over_the_time_until_there_is_more(
    forge: GitHubForge, github: GitHub, clock: Clock, number: int
) -> None:
    github.quota.remaining = 500
    await read(forge)
    assert clock.now == 0
    for title in "abcde":
        github.edit(REPO, 1, title=title)
        assert (await read(forge)).title == title
    assert clock.now == pytest.approx(4 * 3600 / 500, rel=0.05)
    before, github.quota.remaining = clock.now, 2
    await forge.may_write("octocat")
    await forge.may_write("me")
    assert clock.now - before == pytest.approx(3600 / 500 + BREATH_S, rel=0.05)


async def test_reads_side_by_side_stand_in_line_and_writes_do_not() -> None:
    paused = list[float]()

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    ours = Pacer(clock=lambda: 100.0, pause=pause)
    await ours.breathe()
    ours.noted(99, 1000, 200.0)
    await asyncio.gather(*(ours.breathe() for _ in range(7)))
    async with ours.turn():
        pass
    assert paused == [2, 4, 6, 8, 10, 10]
    ours.noted(100, 1000, 200.0)
    await ours.breathe()
    assert len(paused) == 6

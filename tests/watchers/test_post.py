"""Reports on their way to a real Redis that comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core import redis
from app.core.errors import QueueError
from app.core.queue import Bell
from app.core.reports import Failure, Recovery
from app.core.settings import Settings
from tests.cli.conftest import queued
from watchers.post import Post
from watchers.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path


def failure(number: int) -> Failure:
    return Failure(id=f"f{number}", project="greeter", unit=f"{number}.service", host="pi-1")


async def ids(url: str) -> list[object]:
    return [report["id"] for report in await queued(url)]


async def test_with_redis_there_nothing_is_kept(place: Path) -> None:
    post = Post(Spool(place / "watch"))
    async with redis.running(Settings(state_dir=place)) as url, Bell(url) as post.bell:
        await post.send(failure(1))
        await post.send(
            Recovery(id="r", project="greeter", unit="a", host="pi-1", after_s=1, result="signal")
        )
        assert sorted(map(str, await ids(url))) == ["f1", "r"]
        assert Spool(place / "watch").waiting() == []


async def test_what_waits_is_sent_in_order_and_first(place: Path) -> None:
    post = Post(Spool(place / "watch"))
    for number in range(3):
        await post.send(failure(number))
    assert post.wanted.is_set()
    again = Post(Spool(place / "watch"))  # the watcher was restarted
    async with redis.running(Settings(state_dir=place)) as url, Bell(url) as again.bell:
        await again.send(failure(3))
        assert await ids(url) == []
        await again.drain()
        assert await ids(url) == ["f0", "f1", "f2", "f3"]
        await again.send(failure(4))
        assert len(await ids(url)) == 5


async def test_a_redis_that_does_not_answer_loses_nothing(place: Path) -> None:
    post = Post(Spool(place / "watch"))
    async with Bell(f"unix://{place}/nowhere") as post.bell:
        await post.send(failure(1))
        with pytest.raises(QueueError):
            await post.drain()
    assert len(Spool(place / "watch").waiting()) == 1

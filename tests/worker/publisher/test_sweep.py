"""The sweeper rings for what waits, and old bases go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core import redis
from app.core.errors import QueueError
from app.core.models import ProposalState
from app.core.queue import Bell, Queue
from worker.publisher.sweep import sweep, tidy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.worker.publisher.conftest import House


async def test_what_is_due_is_rung_once_in_a_while(house: House, place: Path) -> None:
    from redis.asyncio import Redis

    for number in range(3):
        await house.tick(id=f"t{number}")
    house.configure()
    text = (house.at / "pimainteno.toml").read_text().replace(f"{house.at}/state", f"{place}/state")
    (place / "pimainteno.toml").write_text(text)
    from app.core.settings import load

    async with redis.running(load(place / "pimainteno.toml", env={})) as url, Bell(url) as bell:
        assert await sweep(house.store, bell, ring_again_s=60) == 3
        assert await sweep(house.store, bell, ring_again_s=60) == 0
        assert await sweep(house.store, bell, ring_again_s=0) == 3
        async with Redis.from_url(url) as client:
            assert await client.zcard(Queue.PUBLISHER) == 6


async def test_without_redis_it_says_so(house: House) -> None:
    await house.tick(id="t")
    async with Bell(f"unix://{house.at}/nowhere.sock") as bell:
        with pytest.raises(QueueError):
            await sweep(house.store, bell, ring_again_s=60)


async def test_bases_of_ended_runs_go(house: House) -> None:
    for log in ("error: one", "error: two"):
        (job,) = await house.fail(log=log)
        await house.do(job)
    await house.set_proposal(1, state=ProposalState.MERGED)
    assert await tidy(house.settings, house.store) == 1
    mirror = house.settings.paths.mirror("greeter")
    refs = house.origin.git(f"--git-dir={mirror}", "for-each-ref", "--format=%(refname)", "refs/pimainteno/")
    assert refs == "refs/pimainteno/base/2"
    assert await tidy(house.settings, house.store) == 0

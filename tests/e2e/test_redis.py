"""Redis is a bell: killed, emptied or stopped at any moment, every report ends in its proposal."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from app.core.redis import running
from app.core.settings import load
from app.demo.model import fields

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.demo.model import Client, Fault, Item, Request, Script
    from tests.e2e.conftest import House


@dataclass
class Gate:
    """A moment that is reached, and goes on only when it is told to."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Held:
    """A model whose answer to one kind of question waits at a gate."""

    script: Script
    gate: Gate
    summarise: bool

    def reply(self, request: Request) -> Sequence[Item] | Fault:
        """Answer as the script does, but wait first."""
        items = self.script.reply(request)
        if ("codex_md" in fields(request)) is self.summarise and not self.gate.reached.is_set():
            return _Late(items, self.gate)  # type: ignore[arg-type]
        return items


@dataclass
class _Late:
    items: Sequence[Item]
    gate: Gate

    async def play(self, client: Client) -> None:
        self.gate.reached.set()
        await self.gate.open.wait()
        await client.stream()
        await client.items(self.items)
        await client.completed()


@pytest.mark.parametrize("moment", ["repairing", "summarising", "publishing"])
@pytest.mark.parametrize("harm", ["killed", "flushed", "stopped"])
async def test_redis_may_go_at_any_moment(house: House, harm: str, moment: str) -> None:
    gate = Gate()
    watching = None
    if moment == "publishing":
        watching = asyncio.create_task(_hold_pushes(house, gate))
    else:
        house.model.script = Held(house.script, gate, summarise=moment == "summarising")
    house.start("worker")
    code, _, err = await house.fail()
    assert code == 0, err
    async with asyncio.timeout(60):
        await gate.reached.wait()
    await _harm(house, harm)
    gate.open.set()
    proposal = await house.until_state("open")
    assert [(c["before"], c["after"]) for c in proposal["checks"]] == [("fail", "pass")]
    assert house.script.kinds == ["fix", "summarise"]
    assert len(house.branches()) == 2
    if watching is not None:
        await watching


async def test_a_report_survives_redis_itself(house: House) -> None:
    """Reported with no worker there; the server is killed, and what it kept is taken in later."""
    async with running(load(house.at / "pimainteno.toml", env={})):  # keeps the server in use
        code, out, err = await house.fail()
        assert code == 0
        assert "no worker" in (out + err).lower()
        await asyncio.sleep(1.1)  # appendfsync everysec: what Redis promises to keep
        await _harm(house, "killed")
        await _until(lambda: _answers(house))
        house.start("worker")
        assert (await house.until_state("open"))["count"] == 1


async def test_a_job_whose_ring_is_lost_is_rung_again(house: House) -> None:
    """All of Redis is emptied between two processes' work: the sweeper finds the row."""
    house.start("worker", "--role", "publisher")
    code, _, err = await house.fail()
    assert code == 0, err
    await house.until_state("working")
    await _until(lambda: _base_known(house))
    await _harm(house, "flushed")
    house.start("worker", "--role", "agent")
    await house.until_state("open")


async def _base_known(house: House) -> bool:
    return bool((await house.proposals())[0]["base_sha"])


async def _hold_pushes(house: House, gate: Gate) -> None:
    """Make the owner's repository hold each push until the gate is open."""
    hook = house.bare / "hooks" / "pre-receive"
    here, there = house.at / "reached", house.at / "open"
    hook.write_text(f"#!/bin/sh\ntouch {here}\nwhile [ ! -e {there} ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    await _until(lambda: asyncio.to_thread(here.exists))
    gate.reached.set()
    await gate.open.wait()
    there.touch()


async def _harm(house: House, harm: str) -> None:
    async with _redis(house) as redis:
        if harm == "flushed":
            await redis.flushall()
        elif harm == "killed":
            os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)
        else:
            await redis.shutdown(nosave=True)


def _redis(house: House) -> Redis:
    return Redis(unix_socket_path=str(house.state / "redis" / "redis.sock"))


async def _answers(house: House) -> bool:
    try:
        async with _redis(house) as redis:
            return bool(await redis.ping())
    except (RedisConnectionError, OSError):
        return False


async def _until(found: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 60
    while not await found():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)

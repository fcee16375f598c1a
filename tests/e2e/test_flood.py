"""A storm of failures with one cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from app.core.queue import Bell
from app.core.reports import Failure
from tests.e2e import greeter
from tests.e2e.watched import (
    counted,
    is_in,
    until,
)

if TYPE_CHECKING:
    from tests.e2e.conftest import House

FLOOD = 10_000


@pytest.mark.timeout(300)
async def test_ten_thousand_failures_are_one_run(house: House) -> None:
    """In little memory; how fast is the benchmark's to say."""
    house.start("worker", "--role", "publisher")
    await until(lambda: is_in("worker ready", house))
    worker = psutil.Process(house.processes[0].pid)
    async with Bell(f"unix://{house.state}/redis/redis.sock") as bell:
        for number in range(FLOOD):
            await bell.failure(
                Failure(
                    project="greeter",
                    unit="greeter.service",
                    host="pi",
                    exit_status="1",
                    invocation=f"{number:032x}",
                    log=greeter.LOG,
                )
            )
    await until(lambda: counted(house, FLOOD), wait_s=200)
    assert worker.memory_info().rss < 160e6
    assert house.column("select count(*) from incidents") == "1"
    assert house.column("select count(*) from runs") == "1"

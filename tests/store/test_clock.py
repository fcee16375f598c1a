from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.dialects.postgresql.base import PGDialect

from app.store.clock import db_now
from app.store.columns import Json, Time

if TYPE_CHECKING:
    from app.store.database import Store

POSTGRESQL = PGDialect()  # type: ignore[no-untyped-call]


async def test_the_clock_of_sqlite_is_the_hosts(store: Store) -> None:
    async with store.read() as tx:
        before = time.time()
        found = (await tx.execute(select(db_now()))).scalar_one()
        later = (await tx.execute(select(db_now() + 30.5))).scalar_one()

    assert before - 0.002 <= found <= time.time() + 0.002
    assert 30.5 <= later - found < 35


def test_the_clock_of_postgresql_moves_within_a_transaction() -> None:
    sql = str(select(db_now()).compile(dialect=POSTGRESQL))

    assert "clock_timestamp()" in sql


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        Time().process_bind_param(datetime(2026, 1, 1), POSTGRESQL)  # noqa: DTZ001


def test_json_of_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="object cannot be stored as JSON"):
        Json().process_bind_param({"a": object()}, POSTGRESQL)

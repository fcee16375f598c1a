"""Databases of both kinds: one is migrated for each worker of the test run, each test gets a copy."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from app.store.database import Store
from app.store.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.doubles.postgres import Postgres


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    """A migrated SQLite file."""
    copy = tmp_path / "pimainteno.sqlite3"
    shutil.copyfile(template, copy)
    return copy


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The name of a migrated PostgreSQL database."""
    name = postgres.migrated()
    yield name
    postgres.drop(name)


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    """The name of a PostgreSQL database without tables."""
    name = postgres.empty()
    yield name
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A migrated database of each kind; `kinds.sqlite_only` and `kinds.postgresql_only` leave one out."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{request.getfixturevalue('path')}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url(request.getfixturevalue("database"))


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with Store.opened(url) as store:
        yield store


@pytest.fixture
async def other(url: str, store: Store) -> AsyncIterator[Store]:
    """A second process's view of the same database."""
    async with Store.opened(url) as other:
        yield other

"""Databases for the tests: one is migrated for each worker of the test run, each test gets a copy."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from app.store.database import Store
from app.store.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "pimainteno.sqlite3"
    shutil.copyfile(template, copy)
    return copy


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with Store.opened(url) as store:
        yield store


@pytest.fixture
async def other(url: str, store: Store) -> AsyncIterator[Store]:
    """A second process's view of the same file."""
    async with Store.opened(url) as other:
        yield other

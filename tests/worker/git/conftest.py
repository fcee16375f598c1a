"""A real repository to work on, made with the real git."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core.paths import StatePaths
from tests.doubles.origin import Origin, made
from worker.git import commands
from worker.git.commands import Git, write_config

if TYPE_CHECKING:
    from pathlib import Path

FILES: dict[str, bytes | str] = {
    "app.py": "print('hello')\n",
    "src/deep/one.txt": "1\n",
    "src/two.txt": "2\n",
    "codex.md": "# it\n",
}


@pytest.fixture
def empty(tmp_path: Path) -> Origin:
    return made(tmp_path / "owner")


@pytest.fixture
def origin(empty: Origin) -> Origin:
    empty.commit(FILES)
    return empty


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(tmp_path / "state")


@pytest.fixture
def git(paths: StatePaths) -> Git:
    return Git(write_config(paths))


@pytest.fixture
async def mirror(git: Git, origin: Origin, paths: StatePaths) -> Path:
    path = paths.mirror("project")
    await commands.clone_bare(git, origin.url, path)
    return path

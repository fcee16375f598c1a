from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, text

from app.core import process
from app.core.base import now
from app.core.errors import ConfigurationError, StoreError
from app.store import events, pauses
from app.store.database import Store
from app.store.tables import pauses as table
from tests.store.kinds import sqlite_only

if TYPE_CHECKING:
    from pathlib import Path

OPEN = """
import asyncio, sys
from app.store.database import Store
async def main():
    async with Store.opened(sys.argv[1]) as store:
        await store.ping()
    print("alembic" in sys.modules)
asyncio.run(main())
"""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def content(path: Path) -> bytes:
    return path.read_bytes()


async def locked(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def test_two_processes_open_a_fresh_place_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "deep" / "pimainteno.sqlite3"
    argv = [sys.executable, "-c", OPEN, f"sqlite+aiosqlite:///{path}"]

    both = await asyncio.gather(process.run(argv), process.run(argv))

    assert [(ended.returncode, ended.stdout, ended.stderr) for ended in both] == [(0, b"False\n", b"")] * 2
    assert mode(path.parent) == 0o700
    assert {mode(file) for file in path.parent.iterdir()} == {0o600}


async def test_a_database_that_is_up_to_date_starts_no_child(url: str) -> None:
    argv = [sys.executable, "-X", "importtime", "-c", OPEN, url]

    ended = await process.run(argv, env=process.environment(PYTHONPATH="/nowhere"))

    assert ended.returncode == 0
    assert b"alembic" not in ended.stderr


@sqlite_only
async def test_pragmas_hold_on_each_connection(store: Store) -> None:
    async with store.write() as one, store.read() as two:
        for tx in (one, two):
            found = [await tx.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")]
            assert found == ["wal", 1]
            assert await tx.scalar(text("PRAGMA foreign_keys")) == 1
            assert await tx.scalar(text("PRAGMA busy_timeout")) == 10_000


async def test_write_commits_and_rolls_back_on_an_error(store: Store, other: Store) -> None:
    async with store.write() as tx:
        await events.append(tx, "scan.done", "kept")
    with pytest.raises(RuntimeError):
        async with store.write() as tx:
            await events.append(tx, "scan.done", "lost")
            raise RuntimeError

    async with other.read() as tx:
        assert [event.text for event in (await events.page(tx))[0]] == ["kept"]


async def test_read_keeps_nothing_and_sees_one_state(store: Store, other: Store) -> None:
    async with store.read() as tx:
        assert await pauses.get(tx) is None
        async with other.write() as meanwhile:
            await pauses.set_(meanwhile, "wrong key", "me")
        assert await pauses.get(tx) is None
    async with store.read() as tx:
        assert await pauses.clear(tx)
    async with store.read() as tx:
        assert await pauses.get(tx) is not None


async def test_many_writers_of_two_stores_all_get_through(store: Store, other: Store) -> None:
    async def write(which: Store, number: int) -> None:
        async with which.write() as tx:
            await events.append(tx, "scan.done", str(number))

    await asyncio.gather(*(write((store, other)[number % 2], number) for number in range(40)))

    async with store.read() as tx:
        assert {event.text for event in (await events.page(tx))[0]} == {str(number) for number in range(40)}


@sqlite_only
async def test_a_cancelled_writer_leaves_no_lock_behind(store: Store, path: Path) -> None:
    async def write() -> None:
        async with store.write() as tx:
            await pauses.set_(tx, "never", "me")

    holder = await locked(path)
    waiting = asyncio.create_task(write())
    await asyncio.sleep(0.05)  # until the statement is with SQLite, which nothing outside can see
    waiting.cancel()
    await asyncio.sleep(0)
    holder.execute("ROLLBACK")
    with pytest.raises(asyncio.CancelledError):
        await waiting

    async with asyncio.timeout(5):
        for _ in range(3):  # each connection of the pool
            await write()
    holder.execute("BEGIN IMMEDIATE")
    holder.close()


@sqlite_only
async def test_locked_for_too_long(url: str, path: Path) -> None:
    async with Store.opened(f"{url}?timeout=0.05") as store:
        holder = await locked(path)
        with pytest.raises(StoreError, match="locked for too long by another program: end what holds it"):
            async with store.write():
                pass
        holder.close()
        async with store.write() as tx:
            assert await pauses.set_(tx, "now it works", "me")


@sqlite_only
async def test_disk_full_says_so_and_loses_nothing(store: Store) -> None:
    async with store.write() as tx:
        await pauses.set_(tx, "kept", "me")
    with pytest.raises(StoreError, match="the disk is full: free some space"):
        async with store.write() as tx:
            pages = await tx.scalar(text("PRAGMA page_count"))
            await tx.execute(text(f"PRAGMA max_page_count = {pages}"))
            await events.append(tx, "failure.seen", "x" * 1_000_000)

    async with store.read() as tx:
        assert (await events.page(tx))[0] == []
        assert await pauses.get(tx) is not None


@sqlite_only
async def test_a_broken_statement_names_the_database(store: Store, path: Path) -> None:
    async with store.write() as tx:
        await pauses.set_(tx, "first", "me")
    with pytest.raises(StoreError, match=rf"{path} did not take a statement: UNIQUE"):
        async with store.write() as tx:
            await tx.execute(insert(table).values(scope="all", reason="", actor="", at=now()))


async def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Milk, bread, and a screwdriver.\n" * 50)

    with pytest.raises(StoreError, match=r"notes\.txt is not a database: move the file away"):
        await Store.open(f"sqlite:///{path}")

    assert path.read_text().startswith("Milk")


async def test_a_folder_in_place_of_the_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        await Store.open(f"sqlite:///{tmp_path}")


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="check its folder"):
        await Store.open(f"sqlite:///{tmp_path}/file/db")


async def test_a_damaged_database(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 200_000)

    with pytest.raises(StoreError, match="is damaged: stop PiMainteno, keep a copy"):
        await Store.open(f"sqlite:///{path}")


@sqlite_only
async def test_a_newer_database_is_left_alone(path: Path, url: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = content(path)

    with pytest.raises(StoreError, match=r"has version 9999, this program knows [0-9]{4}: install the"):
        await Store.open(url)

    assert content(path) == before


async def test_an_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(StoreError, match="cannot be reached: start the server") as caught:
        await Store.open("postgresql://me:hunter2@127.0.0.1:1/pimainteno")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "mysql://me@host/db", "sqlite://", "sqlite:///:memory:", "not a url"])
async def test_urls_of_no_use(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^database_url: "):
        await Store.open(url)


async def test_a_moved_copy_opens(path: Path, tmp_path: Path) -> None:
    copy = shutil.copy(path, tmp_path / "restored.sqlite3")
    with sqlite3.connect(copy) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()

    async with Store.opened(f"sqlite:///{copy}") as store, store.read() as tx:
        assert await tx.scalar(text("PRAGMA journal_mode")) == "wal"

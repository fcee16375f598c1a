"""What only PostgreSQL has: a server that can be away, several writers, and parameters in its URL."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from app.core import process
from app.core.errors import ConfigurationError, StoreError
from app.core.models import NewJob
from app.store import events, jobs, pauses
from app.store.database import Store
from app.store.migrate import ADVISORY_LOCK, upgrade
from app.store.tables import metadata
from app.store.version import HEAD
from tests.doubles.postgres import GUARDED, running
from tests.store.kinds import postgresql_only
from tests.store.test_database import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.doubles.postgres import Postgres

PASSWORD = "s3cret/with:@ %?#"
COMMITTED = "SELECT string_agg(text, ',' ORDER BY id) FROM events"


@pytest.fixture
def guarded(postgres: Postgres, database: str) -> Iterator[str]:
    """A database of a user who needs a password."""
    postgres.sql(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
    postgres.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {GUARDED}", database=database)
    yield database
    postgres.sql(f"DROP OWNED BY {GUARDED}", database=database)
    postgres.sql(f"DROP ROLE {GUARDED}")


async def append(store: Store, words: str) -> None:
    async with store.write() as tx:
        await events.append(tx, "scan.done", words)


async def test_two_processes_migrate_an_empty_database_at_once(postgres: Postgres, empty: str) -> None:
    argv = [sys.executable, "-c", OPEN, postgres.url(empty)]

    both = await asyncio.gather(process.run(argv), process.run(argv))

    assert [(ended.returncode, ended.stdout, ended.stderr) for ended in both] == [(0, b"False\n", b"")] * 2
    assert postgres.sql("SELECT version_num FROM alembic_version", database=empty) == [(HEAD,)]


async def test_a_migration_waits_for_the_one_before(postgres: Postgres, empty: str) -> None:
    with closing(psycopg.connect(postgres.dsn(empty), autocommit=True)) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
        second = asyncio.create_task(asyncio.to_thread(upgrade, postgres.url(empty)))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(10):
            while holder.execute(waiting).fetchone() != (1,):  # noqa: ASYNC110 - nothing tells us
                await asyncio.sleep(0.01)
        assert postgres.sql("SELECT to_regclass('events')", database=empty) == [(None,)]
        holder.execute("SELECT pg_advisory_unlock(%s)", (ADVISORY_LOCK,))
        await second

    assert postgres.sql("SELECT count(*) FROM events", database=empty) == [(0,)]


def test_the_migrations_make_what_the_tables_say(postgres: Postgres, database: str) -> None:
    engine = create_engine(postgres.url(database).replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        compare = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=compare), metadata) == []
    engine.dispose()


async def test_a_migration_that_fails_leaves_nothing_behind(postgres: Postgres, empty: str) -> None:
    postgres.sql("CREATE TABLE runs (of_another_program TEXT)", database=empty)

    with pytest.raises(StoreError, match='relation "runs" already exists'):
        await Store.open(postgres.url(empty))

    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert postgres.sql(tables, database=empty) == [("runs",)]


async def test_a_newer_database_is_left_alone(postgres: Postgres, database: str) -> None:
    postgres.sql("UPDATE alembic_version SET version_num = '9999'", database=database)

    with pytest.raises(StoreError, match=r"has version 9999, this program knows [0-9]{4}: install the"):
        await Store.open(postgres.url(database))


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET text = 'better'", "DELETE FROM events", "TRUNCATE events"]
)
@postgresql_only
async def test_plain_sql_cannot_change_the_history(
    store: Store, postgres: Postgres, database: str, statement: str
) -> None:
    await append(store, "kept")

    with pytest.raises(psycopg.errors.RaiseException, match="the table events is append-only"):
        postgres.sql(statement, database=database)

    assert postgres.sql(COMMITTED, database=database) == [("kept",)]


@postgresql_only
async def test_a_follower_misses_no_line_that_is_committed_late(store: Store, other: Store) -> None:
    """The second writer begins while the first, with its id, has not committed: it has to wait."""
    first = store.write()
    tx = await first.__aenter__()
    await events.append(tx, "scan.done", "first")
    second = asyncio.create_task(append(other, "second"))
    seen: list[str] = []
    after = 0

    async def follow() -> None:
        nonlocal after
        async with other.read() as tx:
            for event in (await events.page(tx, after=after, newest_first=False))[0]:
                seen.append(event.text)
                after = event.id

    done, _ = await asyncio.wait({second}, timeout=0.3)
    await follow()
    await first.__aexit__(None, None, None)
    await second
    await follow()

    assert (done, seen) == (set(), ["first", "second"])


@postgresql_only
async def test_a_writer_waits_no_longer_than_the_url_says(store: Store, url: str) -> None:
    async with store.write(), Store.opened(f"{url}&timeout=0.05") as hasty:
        with pytest.raises(StoreError, match="locked for too long by another program"):
            await append(hasty, "never")


@postgresql_only
async def test_a_cancelled_writer_leaves_no_lock_behind(store: Store, other: Store) -> None:
    async with store.write():
        waiting = asyncio.create_task(append(other, "never"))
        await asyncio.wait({waiting}, timeout=0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(5):
        await append(store, "kept")
        await append(other, "kept")


@postgresql_only
async def test_a_job_is_taken_once_however_many_ask(store: Store, other: Store) -> None:
    async with store.write() as tx:
        job = await jobs.add(tx, NewJob(queue="agent", name="repair", args={}))

    async def take(which: Store, number: int) -> int | None:
        async with which.write() as tx:
            taken = await jobs.take(tx, job.id, owner=f"worker {number}", lease_s=60)
            return taken[1].fence if taken else None

    fences = await asyncio.gather(*(take((store, other)[number % 2], number) for number in range(20)))

    assert sorted(fence for fence in fences if fence is not None) == [1]


async def test_the_server_comes_back() -> None:
    """A server of its own, because the others' tests may run on the shared one."""
    with running() as server:
        url = server.url(server.migrated())
        async with Store.opened(url) as store:
            await append(store, "before")
            server.stop()
            with pytest.raises(StoreError, match=r"start the server|is used again once the server is back"):
                await append(store, "lost")
            server.start()
            await append(store, "after")
            async with store.read() as tx:
                found, _ = await events.page(tx, newest_first=False)

    assert [event.text for event in found] == ["before", "after"]


@postgresql_only
async def test_a_connection_that_is_ended_in_a_transaction_is_named(
    store: Store, postgres: Postgres, database: str
) -> None:
    with pytest.raises(StoreError, match="was shut down or ended the connection"):
        async with store.write() as tx:
            own = await tx.scalar(text("SELECT pg_backend_pid()"))
            postgres.sql("SELECT pg_terminate_backend(%s)", own)
            await pauses.set_(tx, "lost", "me")
    async with store.read() as tx:
        assert await pauses.get(tx) is None


async def test_what_is_wrong_with_the_url_is_said(postgres: Postgres, guarded: str) -> None:
    wrong = {
        postgres.url("nowhere"): 'does not exist: create it with `createdb`.*"nowhere"',
        postgres.url(guarded, user="nobody-here"): "refuses the user or the password: correct database_url",
        postgres.url(guarded, user=GUARDED, password="hunter2"): "refuses the user or the password",
        postgres.url(guarded, user=GUARDED, more="&password=hunter2"): "refuses the user or the password",
        postgres.url(guarded, more="&colour=red"): "has a parameter in its URL that libpq does not take",
        postgres.url(guarded, more="&sslmode=blue"): "has a parameter in its URL that libpq does not take",
        postgres.url(guarded).replace(
            str(postgres.folder), "/nowhere"
        ): "cannot be reached: start the server",
    }
    for url, words in wrong.items():
        with pytest.raises(StoreError, match=words) as caught:
            await Store.open(url)
        assert "hunter2" not in str(caught.value)
        assert str(caught.value).startswith("The database postgresql+psycopg://")


async def test_every_connection_is_taken(postgres: Postgres, database: str) -> None:
    postgres.sql("CREATE ROLE few LOGIN CONNECTION LIMIT 0")
    try:
        with pytest.raises(StoreError, match="has no connection left: raise max_connections"):
            await Store.open(postgres.url(database, user="few"))
    finally:
        postgres.sql("DROP ROLE few")


async def test_a_password_with_every_sign_and_parameters_in_the_url(postgres: Postgres, guarded: str) -> None:
    more = "&sslmode=prefer&timeout=3&connect_timeout=2&options=-csearch_path%3Dpublic&application_name=us"
    url = postgres.url(guarded, user=GUARDED, password=PASSWORD, more=more)

    async with Store.opened(url.replace("postgresql:", "postgres:")) as store, store.read() as tx:
        assert await tx.scalar(text("SELECT current_user")) == GUARDED
        assert await tx.scalar(text("SHOW application_name")) == "us"
        assert PASSWORD not in store.place
        assert "***" in store.place


@postgresql_only
async def test_text_with_nul_is_stored_without_it(store: Store) -> None:
    async with store.write() as tx:
        written = await events.append(tx, "failure.seen", "a\x00b", data={"log": "a\x00b"})

    assert (written.text, written.data) == ("a\N{REPLACEMENT CHARACTER}b", {"log": "a\x00b"})


async def test_another_driver_is_no_database_url_of_ours() -> None:
    with pytest.raises(ConfigurationError, match=r"^database_url: mysql is unknown"):
        await Store.open("mysql://me@host/db")

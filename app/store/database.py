"""The store: opens the database, brings its schema up to date, and gives out transactions."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from sqlalchemy import event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import await_only

from app.core import process
from app.core.errors import ConfigurationError, StoreError
from app.store.faults import BUSY_S, translated
from app.store.search import casefold
from app.store.turns import Turns
from app.store.version import HEAD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import URL, Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.pool import PoolResetState

    Tx: TypeAlias = AsyncConnection  # the name of a transaction for callers, who do not know SQLAlchemy

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
MIGRATION_LIMIT_S = 3600
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")
NO_TABLE = "42P01"  # PostgreSQL's undefined_table
WRITERS = 0x70696D62  # "pimb", beside the migrations' "pima"
ABANDONED_S = 60
NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # ms
}
"""Parameters of libpq: a server that vanished is noticed within about a minute, not a quarter of an hour."""
_ALONE = text(
    "SELECT set_config('lock_timeout', :busy, true),"
    f" set_config('idle_in_transaction_session_timeout', '{ABANDONED_S}s', true),"
    f" pg_advisory_xact_lock({WRITERS})"
)
"""One message: wait for the writer before us, but not for ever, and not for one whose host has vanished."""


class Store:
    """One process's way to the database. Transactions are short: no network, no model inside one."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.place = place_of(url)
        """The database's path, or its URL without the password."""
        self._engine = _engine(url)
        # a reader sees one state of the database from its first statement on; SQLite's always do
        reads = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reading = self._engine.execution_options(**reads)
        self._immediate = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        file = file_of(url)
        self._turns = Turns(file) if file is not None else None

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database, and create it or bring it up to date where its version is behind.

        Raises StoreError, with what to do, when it cannot be used or a newer program has written it, and
        ConfigurationError when the URL is of no use.
        """
        parsed = parse(url)
        if path := file_of(parsed):
            _private(path)
        store = cls(parsed)
        try:
            await store._up_to_date()
        except BaseException:
            await store.close()
            raise
        return store

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """Open the database and close it on leaving."""
        store = await cls.open(url)
        try:
            yield store
        finally:
            await store.close()

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of ours."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def _busy_s(self) -> str:
        """How long to wait for another writer."""
        return str(self._url.query.get("timeout", BUSY_S))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that sees one state of the database; what it writes is lost."""
        with translated(self.place):
            async with self._reading.connect() as tx:
                yield tx

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that commits on leaving, and rolls back on any error.

        There is one at a time, on PostgreSQL too: what a transaction has looked at stays true until it ends,
        none waits for another in a circle, and the ids of the history are committed in their order, so that
        a follower who asks for what came after an id misses nothing.
        """
        with translated(self.place):
            async with self._turns.one() if self._turns else nullcontext(), self._immediate.begin() as tx:
                if not self.is_sqlite:
                    await tx.execute(_ALONE, {"busy": f"{self._busy_s}s"})
                yield tx

    async def ping(self) -> None:
        """Raise StoreError unless the database answers."""
        async with self.read() as tx:
            await tx.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()
        if self._turns is not None:
            self._turns.close()

    async def _up_to_date(self) -> None:
        path = file_of(self._url)
        # an empty file is not even looked at: the migration switches it to WAL under its lock, and two
        # connections that do so at once get "locked" without any waiting
        version = await self._version() if path is None or _has_content(path) else None
        if version is None or version < HEAD:
            await _migrate(self._url)
            version = await self._version()
        if version is None or version > HEAD:
            raise StoreError(
                f"The database {self.place} has version {version}, this program knows {HEAD}: "
                "install the newer PiMainteno again, or restore a backup from before its upgrade"
            )

    async def _version(self) -> str | None:
        async with self.read() as tx:
            try:
                found: str | None = await tx.scalar(text("SELECT version_num FROM alembic_version"))
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == NO_TABLE or "no such table" in str(error.orig):
                    return None
                raise
            return found


def parse(url: str) -> URL:
    """Return the URL with the driver that we use; ConfigurationError for any other kind of database."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "database_url: a URL is expected, for instance postgresql://user@host/name"
        ) from error
    driver = DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ConfigurationError(
            f"database_url: {parsed.get_backend_name()} is unknown; postgresql or sqlite is expected"
        )
    if driver == DRIVERS["sqlite"] and parsed.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "database_url: an SQLite database must be a file that all processes can open"
        )
    return parsed.set(drivername=driver)


def server_url(url: URL) -> URL:
    """Return what libpq is given: our own `timeout` is taken out, and what the URL leaves open is put in."""
    plain = url.difference_update_query(["timeout"])
    return plain.update_query_dict({k: str(v) for k, v in NETWORK.items() if k not in plain.query})


def file_of(url: URL) -> Path | None:
    """Return the file of an SQLite database."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def place_of(url: URL) -> str:
    """Return the database's path, or its URL without the password."""
    hidden = url.update_query_dict({key: "***" for key in url.query if "password" in key})
    return str(file_of(url) or hidden.render_as_string(hide_password=True))


def _private(path: Path) -> None:
    """Create folder and file for their owner alone; SQLite gives its side files the mode of the database."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(
            f"The database {path} cannot be opened: {error.strerror}; check its folder"
        ) from error


def _has_content(path: Path) -> bool:
    return path.stat().st_size > 0


def _engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(server_url(url), pool_size=5, max_overflow=5, pool_pre_ping=True)
    # Each connection is a thread: two are kept, for a writer and a reader.
    kept: dict[str, Any] = {"pool_size": 2, "max_overflow": 6, "pool_reset_on_return": None}
    # isolation_level None: the driver starts no transaction by itself, `_begin` does
    driver = {"isolation_level": None} | ({} if "timeout" in url.query else {"timeout": BUSY_S})
    engine = create_async_engine(url, connect_args=driver, **kept)
    event.listen(engine.sync_engine, "connect", _connected)
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "reset", _reset)
    return engine


def _connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
    # SQLite's own lower() knows ASCII alone
    connection.create_function("casefold", 1, casefold, deterministic=True)
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Begin with a single message to the connection's thread, where `exec_driver_sql` takes three."""
    how = connection.get_execution_options().get("begin", "BEGIN")
    driver: Any = connection.connection.driver_connection
    try:
        await_only(driver.execute(how))
    except asyncio.CancelledError:
        connection.invalidate()  # its thread still waits for the lock, and would keep it for ever
        raise


def _reset(connection: Any, _record: object, state: PoolResetState) -> None:  # noqa: ANN401
    """Roll back what a connection still holds: nothing after a commit, so its thread is left alone."""
    if not state.terminate_only and connection.driver_connection.in_transaction:
        connection.rollback()


async def _migrate(url: URL) -> None:
    """Run the migrations in a child: Alembic is not to stay in a process that lives for months.

    The URL goes through standard input, because an argument list can be read by everyone on the host.
    """
    argv = [sys.executable, "-P", "-m", "app.store.migrate"]
    whole = url.render_as_string(hide_password=False)
    finished = await process.run(argv, stdin=whole.encode(), timeout_s=MIGRATION_LIMIT_S)
    if finished.returncode != 0:
        last = finished.stderr.decode(errors="replace").strip().splitlines() or ["the migration was killed"]
        raise StoreError(last[-1])

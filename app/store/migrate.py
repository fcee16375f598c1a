"""Bring a database's schema up to date: `python -m app.store.migrate`, with the URL on standard input.

A process of its own, so that Alembic's memory is gone when it is done; the URL may also be an argument.
"""

from __future__ import annotations

import fcntl
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import NullPool

from app.core.errors import PimaintenoError, StoreError
from app.store.database import file_of, parse, place_of, server_url
from app.store.faults import BUSY_S, translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import URL, Connection

ADVISORY_LOCK = 0x70696D61  # "pima"
BEHIND_ANOTHER_S = 600


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration without a file; `migrations/env.py` takes the connection from it."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(url: str) -> None:
    """Migrate to the newest version, in one transaction; does nothing where that is done.

    Waits for another process that migrates. Raises StoreError.
    """
    parsed = parse(url)
    with translated(place_of(parsed)), _locked(parsed), _connection(parsed) as connection:
        command.upgrade(configuration(connection), "head")


@contextmanager
def _locked(url: URL) -> Iterator[None]:
    """Hold a lock file beside an SQLite database; PostgreSQL is locked in `_connection`."""
    path = file_of(url)
    if path is None:
        yield
        return
    lock = path.with_name(f"{path.name}.lock")
    try:
        with lock.open("a") as held:
            lock.chmod(0o600)
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise StoreError(f"The database {path} cannot be locked: {error}") from error


@contextmanager
def _connection(url: URL) -> Iterator[Connection]:
    """Give a connection in a transaction that holds everything or nothing, schema changes included."""
    sqlite = file_of(url) is not None
    if sqlite:
        engine = create_engine(
            url.set(drivername="sqlite+pysqlite"),
            poolclass=NullPool,
            connect_args={"timeout": BUSY_S, "isolation_level": None},
        )
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        # WAL stays in the file; it cannot be switched on inside a transaction, nor while others use the file
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA journal_mode=WAL"))
    else:
        engine = create_engine(server_url(url), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            if not sqlite:
                connection.execute(text(f"SET LOCAL lock_timeout = '{BEHIND_ANOTHER_S}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            yield connection
    finally:
        engine.dispose()


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; the last line of standard error is what went wrong."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        upgrade(arguments[0] if arguments else sys.stdin.read().strip())
    except PimaintenoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

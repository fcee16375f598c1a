"""What a database's error means, and what to do about it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_S = 10
"""Seconds to wait for another writer, unless the URL says otherwise (`?timeout=30`)."""

_LOCKED = "was locked for too long by another program: end what holds it open, then try again"
_FULL = "cannot grow, the disk is full: free some space; nothing that was stored before is lost"
_READ_ONLY = "cannot be written: make the file and its folder writable for the user that runs PiMainteno"
_NO_ACCESS = (
    "cannot be opened: check that its folder exists and that the user that runs PiMainteno may write there"
)
_BROKEN = "is damaged: stop PiMainteno, keep a copy of the file, and restore it from a backup"

SQLITE: dict[int, str] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _NO_ACCESS,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: "is not a database: move the file away, or set database_url to another place",
    sqlite3.SQLITE_IOERR: "cannot be read or written: check the disk that it is on (see `dmesg`)",
}
"""Primary result codes, https://www.sqlite.org/rescode.html."""

POSTGRESQL: dict[str, str] = {
    "08": "cannot be reached: start the server, or correct database_url",
    "28": "refuses the user or the password: correct database_url",
    "3D": "does not exist: create it with `createdb`, or correct database_url",
    "42501": "does not allow this to its user: make the user the owner of the database",
    "53100": _FULL,
    "53300": "has no connection left: raise max_connections on the server",
    "25006": "is read-only: point database_url to the primary server",
    "55P03": _LOCKED,
    "URL": "has a parameter in its URL that libpq does not take: correct database_url",
    "TLS": "cannot be reached over TLS: correct sslmode or sslrootcert in database_url",
    "57": "was shut down or ended the connection: it is used again once the server is back",
}
"""SQLSTATE values, or their classes, https://www.postgresql.org/docs/current/errcodes-appendix.html."""

REFUSED = (
    (re.compile(r'database ".*" does not exist'), "3D"),
    (
        re.compile(r"authentication failed|no pg_hba\.conf entry|no password supplied|role .* (not|does)"),
        "28",
    ),
    (re.compile(r"too many (clients|connections)|connection slots are reserved"), "53300"),
    (re.compile(r"database system is (starting|shutting|not yet|in recovery)"), "57"),
    (re.compile(r"invalid (URI query parameter|connection option|\w+ value)"), "URL"),
    (re.compile(r"SSL|certificate"), "TLS"),
)
"""What a server, or libpq, says where a connection fails: libpq hands on no SQLSTATE then."""


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn the database library's errors into StoreError; `place` names the database without its password."""
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreError(f"The database {place} was busy for too long: {error}") from error
    except DBAPIError as error:
        raise StoreError(f"The database {place} {meaning(error.orig)}") from error
    except sqlite3.Error as error:
        raise StoreError(f"The database {place} {meaning(error)}") from error
    except SQLAlchemyError as error:
        raise StoreError(f"The database {place} could not be used: {error}") from error


def meaning(error: BaseException | None) -> str:
    """Return what is wrong with the database and what to do, as the end of a sentence about it."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        known = SQLITE.get(code & 0xFF)
    else:
        state = getattr(error, "sqlstate", None) or _refusal(error)
        known = POSTGRESQL.get(state) or POSTGRESQL.get(state[:2])
    words = " ".join(str(error).split())
    return f"{known} ({words})" if known else f"did not take a statement: {words}"


def _refusal(error: BaseException | None) -> str:
    """Return the class of an error without SQLSTATE: no session came about, or it was lost."""
    if not type(error).__module__.startswith("psycopg"):
        return ""
    said = str(error)
    for words, state in REFUSED:
        if words.search(said):
            return state
    return "08" if type(error).__name__ == "OperationalError" else ""

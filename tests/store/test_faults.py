from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import CompileError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.errors import StoreError
from app.store.faults import meaning, translated

if TYPE_CHECKING:
    from pathlib import Path


def test_a_read_only_file(path: Path) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with (
        pytest.raises(StoreError, match="cannot be written: make the file and its folder writable") as caught,
        translated("here"),
    ):
        connection.execute("DELETE FROM pauses")
    connection.close()
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (psycopg.OperationalError("connection refused"), "cannot be reached: start the server"),
        (errors.AdminShutdown("terminating"), "ended the connection"),
        (errors.CannotConnectNow("starting up"), "ended the connection"),
        (errors.ConnectionFailure("gone"), "cannot be reached"),
        (errors.DiskFull("no space"), "the disk is full"),
        (errors.InvalidCatalogName("no such database"), "does not exist: create it"),
        (errors.InvalidPassword("no"), "refuses the user or the password"),
        (errors.InsufficientPrivilege("no"), "make the user the owner"),
        (errors.LockNotAvailable("no"), "locked for too long"),
        (errors.ReadOnlySqlTransaction("no"), "point database_url to the primary"),
        (errors.TooManyConnections("no"), "raise max_connections"),
        (errors.UniqueViolation("twice"), "did not take a statement: twice"),
        (sqlite3.ProgrammingError("Cannot operate\non a closed database."), "Cannot operate on a closed"),
        (None, "did not take a statement"),
    ],
)
def test_what_an_error_means(error: BaseException | None, words: str) -> None:
    assert words in meaning(error)


@pytest.mark.parametrize("error", [PoolTimeoutError("pool is full"), CompileError("a column of that name")])
def test_errors_of_the_library_itself(error: Exception) -> None:
    with pytest.raises(StoreError, match="The database here"), translated("here"):
        raise error


def test_our_own_errors_pass() -> None:
    with pytest.raises(KeyError), translated("here"):
        raise KeyError

"""A real PostgreSQL server of the tests' own: on a unix socket alone, with nothing in it that must last."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from app.store.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = (
    "These tests need a PostgreSQL server: apt-get install postgresql (initdb and postgres are not found)"
)
PLACES = "/usr/lib/postgresql"  # where Debian keeps one folder for each version
HOME = Path("/var/tmp")
PREFIX = "pm-pg-"
START_S = 30
GUARDED = "guarded"
"""A user who needs a password; everyone else is believed."""
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "log_min_messages": "warning",
}


class Postgres:
    """A running server. A crash of it loses nothing that was committed; one of the host would."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._server: subprocess.Popen[bytes] | None = None
        self._names = (f"test{number}" for number in count(1))
        self._ready: str | None = None

    def make(self) -> None:
        """Make the cluster's files, owned by a user who may run the server."""
        if os.geteuid() == 0:
            user = _user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._run(
            "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"
        )
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {GUARDED} scram-sha-256\n{rules.read_text()}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._argv("postgres"), "-k", str(self.folder), *options],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.dsn("postgres")).close()
            except psycopg.OperationalError as error:
                said = (self.folder / "log").read_text()
                assert time.monotonic() < deadline, f"PostgreSQL did not start: {error}\n{said}"
                assert self._server.poll() is None, f"PostgreSQL did not start:\n{said}"
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop the server, by default at once, as if it had crashed."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(START_S)
            self._server = None

    def restart(self) -> None:
        """Let the server crash and come back, which takes it less than a second."""
        self.stop()
        self.start()

    def url(self, database: str, *, user: str = "postgres", password: str = "", more: str = "") -> str:
        """Return a database's URL as a person would write it into `database_url`; `more` begins with `&`."""
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={self.folder}{more}"

    def dsn(self, database: str) -> str:
        """Return what psycopg connects with."""
        return f"host={self.folder} user=postgres dbname={database}"

    def sql(self, statement: str, *values: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement in a transaction of its own and return its rows."""
        with (
            closing(psycopg.connect(self.dsn(database), autocommit=True)) as connection,
            connection.execute(statement.encode(), values or None) as cursor,
        ):
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> str:
        """Make a database without tables and return its name."""
        return self._create("template0")

    def migrated(self) -> str:
        """Make a database with our tables and return its name; the migrations run once for all."""
        if self._ready is None:
            self._ready = self.empty()
            upgrade(self.url(self._ready))
        return self._create(self._ready)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._do(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def _create(self, template: str) -> str:
        name = next(self._names)
        self._do(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
        return name

    def _do(self, statement: Any) -> None:
        with closing(psycopg.connect(self.dsn("postgres"), autocommit=True)) as connection:
            connection.execute(statement)

    def _run(self, program: str, *argv: str) -> None:
        done = subprocess.run([*self._argv(program), *argv], cwd="/", capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def _argv(self, program: str) -> list[str]:
        """Return the start of a command line; the server ends with us, and root may not run it."""
        argv = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:
            user = _user()
            argv += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        return [*argv, str(self._programs / program), "-D", str(self.folder / "data")]


@contextmanager
def running() -> Iterator[Postgres]:
    """Give a server in a folder of its own; both are gone afterwards."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=HOME))
    with (folder / "ours").open("w") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        server = Postgres(folder, programs())
        try:
            server.make()
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for each worker of the test run."""
    with running() as server:
        yield server


def programs() -> Path:
    """Return the folder of the newest server's programs; the test fails where none is installed."""
    found = sorted(Path(PLACES).glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    places = [*(path.parent for path in reversed(found))]
    if on_path := shutil.which("initdb"):
        places.insert(0, Path(on_path).resolve().parent)
    for place in places:
        if (place / "postgres").exists():
            return place
    pytest.fail(MISSING)


def _user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _sweep() -> None:
    """Remove the folders of test runs that were killed; their servers ended with them."""
    for folder in HOME.glob(f"{PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime < START_S:
                continue  # its owner may not have come to locking it
            with (folder / "ours").open("w") as ours:
                fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # somebody uses it, or removed it first

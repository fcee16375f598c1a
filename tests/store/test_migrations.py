from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from app.core.errors import StoreError
from app.store import events, incidents, jobs, proposals, runs
from app.store.database import Store
from app.store.migrate import configuration, main, upgrade
from app.store.tables import metadata
from app.store.version import HEAD

if TYPE_CHECKING:
    from sqlalchemy import Engine

ROWS = Path(__file__).with_name("version_0001.sql")


def names(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    return found


def columns(engine: Engine) -> dict[str, list[object]]:
    """Every column with its type, nullability and default, which Alembic compares wrongly on SQLite."""
    with engine.connect() as connection:
        pragma = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{}')"
        return {
            table: [tuple(row) for row in connection.execute(text(pragma.format(table)))]
            for table in metadata.tables
        }


def test_the_migrations_make_what_the_tables_say(path: Path, tmp_path: Path) -> None:
    migrated, declared = create_engine(f"sqlite:///{path}"), create_engine(f"sqlite:///{tmp_path}/declared")
    metadata.create_all(declared)
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert columns(migrated) == columns(declared)
    migrated.dispose()
    declared.dispose()
    assert {"events_no_update", "events_no_delete", "sqlite_sequence"} <= names(path)


def test_the_newest_migration_is_the_known_head() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [HEAD]


def test_a_second_upgrade_changes_nothing(path: Path) -> None:
    before = path.read_bytes()

    upgrade(f"sqlite:///{path}")

    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (of_another_program TEXT)")
    connection.close()

    with pytest.raises(StoreError, match="table runs already exists"):
        upgrade(f"sqlite:///{path}")

    assert names(path) == {"runs"}


async def test_the_reason_of_a_failed_migration_reaches_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (of_another_program TEXT)")
    connection.close()

    with pytest.raises(StoreError, match="table runs already exists"):
        await Store.open(f"sqlite:///{path}")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"sqlite:///{tmp_path}/db"]) == 0
    assert "events" in names(tmp_path / "db")
    assert main([f"sqlite:///{tmp_path}"]) == 1
    assert "cannot be" in capsys.readouterr().err
    assert main(["mysql://host/db"]) == 1
    assert capsys.readouterr().err.startswith("database_url: ")


async def test_a_database_of_version_0001_opens_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.executescript(ROWS.read_text())
    connection.close()

    async with Store.opened(f"sqlite:///{path}") as store, store.read() as tx:
        proposal = await proposals.get(tx, 1)
        run = await runs.get(tx, 1)
        incident = await incidents.get(tx, 1)
        job = await jobs.get(tx, 1)
        history, _ = await events.page(tx, newest_first=False)

    assert (proposal.state, proposal.hosts, proposal.pushed) == ("open", ("pi", "nas"), ("b" * 40,))
    assert run.changeset is not None
    assert run.changeset.changes[0].content == b"print('hello')\n"
    assert run.answer is not None
    assert (run.usage.total, incident.count, job.state) == (1200, 2, "done")
    assert [event.kind for event in history] == ["incident.opened", "proposal.opened"]

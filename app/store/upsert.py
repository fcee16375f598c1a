"""`INSERT … ON CONFLICT`, which SQLite and PostgreSQL share, and SQLAlchemy keeps apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.dialects import postgresql, sqlite
    from sqlalchemy.ext.asyncio import AsyncConnection


def insert(tx: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the insert of this connection's dialect; both know `on_conflict_do_nothing` and `_do_update`."""
    # only that dialect is loaded: PostgreSQL's takes 2.6 MB
    if tx.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)

"""Literal search in text, whatever its case: no pattern language, so that nothing needs to be escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, cast, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.store.columns import Text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.compiler import SQLCompiler


class contains(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """Whether the first text holds the second one."""

    type = Boolean()
    inherit_cache = True


@compiles(contains, "sqlite")
def _sqlite(element: contains, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    where, what = (f"casefold({compiler.process(each, **kw)})" for each in element.clauses)
    return f"(instr({where}, {what}) > 0)"


@compiles(contains, "postgresql")
def _postgresql(element: contains, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    # by Unicode's rules, also where the database's own locale knows ASCII alone
    where, what = (f'lower({compiler.process(each, **kw)} COLLATE "und-x-icu")' for each in element.clauses)
    return f"(strpos({where}, {what}) > 0)"


def needle(text: str) -> ColumnElement[str]:
    """Return what to look for, as a value that every database takes."""
    return literal(text, Text)


def in_list(tx: AsyncConnection, column: ColumnElement[Any], what: ColumnElement[str]) -> ColumnElement[bool]:
    """Tell whether one text of a JSON list holds another text."""
    if tx.dialect.name == "sqlite":
        each = func.json_each(column).table_valued("value")
        return select(1).where(contains(each.c.value, what)).exists()
    from sqlalchemy.dialects.postgresql import JSONB

    # escapes that JSON allows and PostgreSQL does not; no host has them, but a row might
    refused = r"\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
    taken = func.regexp_replace(column, refused, r"\\u003f", "g")
    items = func.jsonb_array_elements_text(cast(taken, JSONB)).table_valued("value")
    return select(1).where(contains(items.c.value, what)).exists()


def casefold(text: str | None) -> str | None:
    """Take the case out of a text; SQLite calls this."""
    return None if text is None else str(text).casefold()

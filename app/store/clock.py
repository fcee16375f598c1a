"""The database's clock in SQL, so that leases do not depend on how well the hosts agree on the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler


class db_now(FunctionElement[float]):  # noqa: N801 - reads as an SQL function
    """Seconds since 1970 by the database's clock, as the tables store times; add seconds with `+`.

    On SQLite to the millisecond, and one moment within a statement; on PostgreSQL the time at which the
    expression is evaluated, not the one at which the transaction began.
    """

    type = Double()
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401, ARG001
    return "((julianday('now') - 2440587.5) * 86400.0)"  # unixepoch('subsec') needs SQLite 3.42


@compiles(db_now, "postgresql")
def _postgresql(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401, ARG001
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"

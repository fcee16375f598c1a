"""What each proposal needs from people, kept in its row: the first page finds it by an index."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, case, literal, null, or_, select, update

from app.core.base import now
from app.core.models import Need, ProposalState
from app.store.tables import incidents, proposals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

LATELY = timedelta(days=7)
"""How long one without an incident is shown that could not be proposed."""

_S = ProposalState
_GAVE_UP = (_S.REFUSED, _S.FAILED, _S.SKIPPED)
_DECIDES = frozenset({"state", "foreign_sha", "review", "ci", "incident_id"})


def after(columns: Mapping[str, Any]) -> dict[str, ColumnElement[Any]]:
    """Return what an update of these columns makes a proposal need; nothing where they do not matter."""
    if not _DECIDES & columns.keys():
        return {}

    def value(name: str) -> ColumnElement[Any]:
        column = proposals.c[name]
        return literal(columns[name], column.type) if name in columns else column

    state = value("state")
    opened = state == _S.OPEN
    return {
        "need": case(
            (state == _S.WORKING, Need.WORKING),
            (state == _S.WAITING, Need.WAITING),
            (opened & value("foreign_sha").is_not(None), Need.EDITED),
            (opened & (value("review") == "changes_requested"), Need.CHANGES_REQUESTED),
            (opened & (value("ci") == "failure"), Need.CI_FAILING),
            (opened, Need.READY),
            (state.in_(_GAVE_UP) & _matters(), Need.NOT_PROPOSED),
            else_=null(),
        )
    }


async def begun(tx: AsyncConnection, incident_id: int | None) -> None:
    """Forget those that could not be proposed before a new proposal: of its incident, or of long ago."""
    old = proposals.c.incident_id.is_(None) & (proposals.c.updated_at < now() - LATELY)
    await _forget(tx, old if incident_id is None else proposals.c.incident_id == incident_id)


async def resolved(tx: AsyncConnection, incident_id: int) -> None:
    """Forget those of an incident that is over."""
    await _forget(tx, proposals.c.incident_id == incident_id)


async def opened_again(tx: AsyncConnection, incident_id: int) -> None:
    """Show the last word on an incident that was over and has come back."""
    gave_up = (proposals.c.incident_id == incident_id) & proposals.c.state.in_(_GAVE_UP) & _matters()
    await tx.execute(update(proposals).where(gave_up).values(need=Need.NOT_PROPOSED))


def shown() -> ColumnElement[bool]:
    """Tell whether a proposal needs something from people."""
    recent = or_(proposals.c.incident_id.is_not(None), proposals.c.updated_at >= now() - LATELY)
    return proposals.c.need.in_(list(Need)) & or_(proposals.c.need != Need.NOT_PROPOSED, recent)


def _matters() -> ColumnElement[bool]:
    """Tell whether one is the last word on an incident that is still open, or has none."""
    newer = proposals.alias()
    last = (
        ~select(1)
        .where(newer.c.incident_id == proposals.c.incident_id, newer.c.id > proposals.c.id)
        .correlate(proposals)
        .exists()
    )
    still = select(1).where(incidents.c.id == proposals.c.incident_id, incidents.c.state == "open")
    return or_(proposals.c.incident_id.is_(None), still.correlate(proposals).exists() & last)


async def _forget(tx: AsyncConnection, which: ColumnElement[bool]) -> None:
    await tx.execute(update(proposals).where(which, proposals.c.need == Need.NOT_PROPOSED).values(need=None))

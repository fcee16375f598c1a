"""What all models are made of: their base, and the present time."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


class Model(BaseModel):
    """Base: frozen, and tolerant of keys that a later version adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

"""What addresses may carry, with its limits; the words are those of the interface's document."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Path, Query
from pydantic import AwareDatetime, BeforeValidator

from app.core.models import Kind, Need

_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2})")


def _moment(text: str) -> str:
    if not _RFC_3339.fullmatch(text):
        raise ValueError("a time such as 2026-03-01T00:00:00Z is expected, in RFC 3339 with its zone")
    return text


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Id = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="A proposal's id.", examples=[7])]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`next` of the page before; nothing for the first page.")
]
ProjectName = Annotated[
    str | None, Query(max_length=200, description="Only what belongs to this project.", examples=["greeter"])
]
OfKind = Annotated[Kind | None, Query(description="Only proposals of this kind.")]
ThatNeeds = Annotated[
    Need | None,
    Query(
        description="Only proposals that need this from people, those that failed last first; "
        "`state` has no say then."
    ),
]
EventKind = Annotated[
    str | None,
    Query(
        max_length=60,
        description="Only lines of this kind, or of all kinds that begin so where it ends with a dot.",
        examples=["run.refused", "proposal."],
    ),
]
Actor = Annotated[
    str | None,
    Query(
        max_length=200,
        description="Only what this one did; a token's name stands after `token:`.",
        examples=["token:ci"],
    ),
]
Since = Annotated[
    Moment | None, Query(description="Only from this moment on.", examples=["2026-03-01T00:00:00Z"])
]
Until = Annotated[
    Moment | None, Query(description="Only before this moment.", examples=["2026-03-02T00:00:00Z"])
]

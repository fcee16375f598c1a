"""Page cursors: opaque to callers, the last id of a page inside, with its time where that is the order."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Protocol, TypeVar

from app.core.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Numbered(Protocol):
    @property
    def id(self) -> int: ...


T = TypeVar("T", bound=_Numbered)


def encode(last_id: int) -> str:
    """Return the cursor of the page that follows this id."""
    return _packed(f"id:{last_id}")


def decode(cursor: str) -> int:
    """Return the id in a cursor; BadRequestError when it is not one of ours."""
    match = re.fullmatch(r"id:([0-9]{1,18})", _unpacked(cursor))
    if match is None:
        raise _not_ours(cursor)
    return int(match[1])


def encode_at(at: float, last_id: int) -> str:
    """Return the cursor of the page that follows this time, and this id among those of one time."""
    return _packed(f"at:{at!r}:{last_id}")


def decode_at(cursor: str) -> tuple[float, int]:
    """Return time and id in a cursor; BadRequestError when it is not one of ours."""
    match = re.fullmatch(r"at:([0-9]{1,12}(?:\.[0-9]{1,20})?):([0-9]{1,18})", _unpacked(cursor))
    if match is None:
        raise _not_ours(cursor)
    return float(match[1]), int(match[2])


def _packed(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _unpacked(cursor: str) -> str:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return raw.decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise _not_ours(cursor) from error


def _not_ours(cursor: str) -> BadRequestError:
    return BadRequestError(f"The cursor {cursor[:40]!r} is not one of ours: start from the first page")


def split(items: Sequence[T], limit: int) -> tuple[list[T], str | None]:
    """Return a page, and the next one's cursor, of up to `limit` + 1 items that a query gave."""
    page = list(items[:limit])
    return page, encode(page[-1].id) if len(items) > limit and page else None

"""Page cursors: opaque to callers, the last id of a page inside."""

from __future__ import annotations

import base64
import binascii
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
    return base64.urlsafe_b64encode(b"id:%d" % last_id).decode().rstrip("=")


def decode(cursor: str) -> int:
    """Return the id in a cursor; BadRequestError when it is not one of ours."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mark, _, number = raw.decode("ascii").partition(":")
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(
            f"The cursor {cursor[:40]!r} is not one of ours: start from the first page"
        ) from error
    if mark != "id" or not number.isdecimal() or len(number) > 18:
        raise BadRequestError(f"The cursor {cursor[:40]!r} is not one of ours: start from the first page")
    return int(number)


def split(items: Sequence[T], limit: int) -> tuple[list[T], str | None]:
    """Return a page, and the next one's cursor, of up to `limit` + 1 items that a query gave."""
    page = list(items[:limit])
    return page, encode(page[-1].id) if len(items) > limit and page else None

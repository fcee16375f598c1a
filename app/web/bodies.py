"""Reading bodies that nobody has vouched for yet: in time, and not too much of all of them at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.core.errors import BadRequestError

if TYPE_CHECKING:
    from starlette.requests import Request

WHOLE_S = 10.0
"""A forge waits for our answer no longer than this."""
FREE = 256 * 1024
"""A body up to this size always has room: what is usual gets through while somebody sends much."""
MOST_HELD = 64 * 1024 * 1024
CLOSE = {"Connection": "close"}


class Bodies:
    """The bodies that are being read; what is beyond `FREE` of each counts against `MOST_HELD`."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, request: Request) -> bytearray:
        """Return a request's body; raises HTTPException 408 or 503, and BadRequestError where it was cut."""
        body = bytearray()
        counted = 0
        try:
            async with asyncio.timeout(WHOLE_S):
                async for chunk in request.stream():
                    body += chunk
                    more = max(0, len(body) - FREE) - counted
                    self._held += more
                    counted += more
                    if self._held > MOST_HELD:
                        raise HTTPException(
                            503, "too much is being sent here at once: send it again", {"Retry-After": "10"}
                        )
        except TimeoutError:
            late = f"the body did not arrive within {WHOLE_S:g} s: send it again"
            raise HTTPException(408, late, CLOSE) from None
        except ClientDisconnect:
            raise BadRequestError("the body was cut off") from None
        finally:
            self._held -= counted
        return body

"""How much of bodies that nobody has vouched for is held at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.core.errors import BadRequestError
from app.web import bodies
from app.web.bodies import FREE, Bodies

if TYPE_CHECKING:
    from starlette.types import Message


def request(*chunks: bytes, then: asyncio.Event | None = None, cut: bool = False) -> Request:
    """A request that sends these, then waits, then ends or is cut."""
    left = list(chunks)

    async def receive() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": True}
        if then is not None:
            await then.wait()
        return {"type": "http.disconnect"} if cut else {"type": "http.request", "body": b""}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def test_a_body_in_pieces() -> None:
    assert await Bodies().read(request(b"a", b"", b"b" * 1000)) == b"a" + b"b" * 1000
    assert await Bodies().read(request()) == b""


async def test_too_much_at_once_is_refused_and_what_is_usual_still_gets_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "MOST_HELD", 1000)
    held, go_on = Bodies(), asyncio.Event()
    large = [asyncio.create_task(held.read(request(b"x" * (FREE + 500), then=go_on))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(HTTPException) as error:
        await held.read(request(b"x" * FREE, b"y"))
    assert (error.value.status_code, error.value.headers) == (503, {"Retry-After": "10"})
    assert len(await held.read(request(b"x" * FREE))) == FREE
    go_on.set()
    assert [len(body) for body in await asyncio.gather(*large)] == [FREE + 500] * 2
    assert len(await held.read(request(b"x" * (FREE + 1000)))) == FREE + 1000


async def test_whatever_becomes_of_a_body_its_room_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_HELD", 1000)
    monkeypatch.setattr(bodies, "WHOLE_S", 0.05)
    held, large = Bodies(), b"x" * (FREE + 1000)
    for _ in range(3):
        with pytest.raises(HTTPException) as late:
            await held.read(request(large, then=asyncio.Event()))
        assert (late.value.status_code, late.value.headers) == (408, {"Connection": "close"})
        with pytest.raises(BadRequestError, match="cut off"):
            await held.read(request(large, cut=True))
        with pytest.raises(HTTPException):
            await held.read(request(large, b"y"))
    assert len(await held.read(request(large))) == len(large)

"""Faults of a model server, and scripts to play them by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.demo.model import Client, Fault, Item, Request, message, outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.changes import Usage

Reply = Sequence[Item] | Fault

ANSWER = {
    "verdict": "fixed",
    "title": "Read the greeting as UTF-8",
    "cause": "The file was read as ASCII.",
    "change": "It is read as UTF-8.",
    "risk": "low",
    "confidence": 0.9,
}


@dataclass
class Steps:
    """Play one reply after another, by the number of outputs that came back; then the last one for ever."""

    replies: Sequence[Reply]

    def reply(self, request: Request) -> Reply:
        return self.replies[min(len(outputs(request)), len(self.replies) - 1)]


@dataclass
class Sequel:
    """Play one reply after another, by the number of requests; then the last one for ever."""

    replies: Sequence[Reply]
    asked: int = 0

    def reply(self, request: Request) -> Reply:
        del request
        self.asked += 1
        return self.replies[min(self.asked, len(self.replies)) - 1]


@dataclass
class Decides:
    """Let a function decide."""

    function: Callable[[Request], Reply]

    def reply(self, request: Request) -> Reply:
        return self.function(request)


def always(reply: Reply) -> Sequel:
    return Sequel([reply])


@dataclass
class Status:
    """An HTTP error with the API's error body."""

    status: int
    text: str = "no"
    code: str = "fault"
    headers: Mapping[str, str] = field(default_factory=dict)

    async def play(self, client: Client) -> None:
        body = f'{{"error": {{"message": "{self.text}", "type": "{self.code}", "code": "{self.code}"}}}}'
        await client.whole(self.status, body, **self.headers)


@dataclass
class Cut:
    """A stream that breaks off after some items, without its end."""

    items: Sequence[Item] = ()

    async def play(self, client: Client) -> None:
        await client.stream()
        await client.items(self.items)


@dataclass
class Broken:
    """A stream that ends in `response.failed`."""

    code: str
    text: str = "it went wrong"

    async def play(self, client: Client) -> None:
        await client.stream()
        error = {"code": self.code, "message": self.text}
        await client.event("response.failed", response={"id": "resp_x", "status": "failed", "error": error})


@dataclass
class Hang:
    """Silence: before the headers, or in the middle of the stream."""

    headers_first: bool = False

    async def play(self, client: Client) -> None:
        if self.headers_first:
            await client.stream()
        await asyncio.Event().wait()


@dataclass
class Trickle:
    """An answer that never ends: a word, a pause, a word; each is an event of the API, none of the CLI."""

    pause_s: float = 0.05

    async def play(self, client: Client) -> None:
        await client.stream()
        while True:
            await client.event("response.output_text.delta", delta="and ")
            await asyncio.sleep(self.pause_s)


@dataclass
class Spending:
    """A good answer at a price of its own."""

    items: Sequence[Item]
    usage: Usage

    async def play(self, client: Client) -> None:
        await client.stream()
        await client.items(self.items)
        await client.completed(self.usage)


NOTHING: Sequence[Item] = ()
GARBAGE = message('{"verdict": "fixed", "extra": ')

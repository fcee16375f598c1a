"""A model server that follows a script: the part of the Responses API that the Codex CLI uses.

The demo answers with it, so that nothing leaves the machine, and so do the tests. It listens on
loopback alone. What it plays is a model, no more: the edits that its script orders still go through
the real Codex CLI, its sandbox, and every check of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from app.core.changes import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = dict[str, Any]
Request = dict[str, Any]

CALL = Usage(input=1200, cached=200, output=80)
BODY_LIMIT = 64 << 20


class Fault(Protocol):
    """Anything but a good answer: it writes to the client what it likes."""

    async def play(self, client: Client) -> None:
        """Answer this one request."""


class Script(Protocol):
    """Decides what the model says."""

    def reply(self, request: Request) -> Sequence[Item] | Fault:
        """Return the items of the next answer; the request holds all that was said before."""


def message(text: str | Mapping[str, Any]) -> Item:
    """Return the model's words; a mapping is sent as JSON, for a request with a schema."""
    words = text if isinstance(text, str) else json.dumps(text)
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": words}]}


def shell(command: str) -> Item:
    """Return an order to run a shell command in the worktree."""
    arguments = json.dumps({"cmd": command})
    return {"type": "function_call", "call_id": _id("call"), "name": "exec_command", "arguments": arguments}


def patch(text: str) -> Item:
    """Return an order to apply a patch in Codex's own form (`*** Begin Patch` and so on)."""
    return {"type": "custom_tool_call", "call_id": _id("call"), "name": "apply_patch", "input": text}


def outputs(request: Request) -> list[str]:
    """Return what the commands and patches ordered so far gave back, oldest first."""
    given = [item for item in request["input"] if str(item.get("type", "")).endswith("_output")]
    return [_text(item.get("output")) for item in given]


def prompt(request: Request) -> str:
    """Return the last text that was said to the model."""
    said = [item for item in request["input"] if item.get("type") == "message" and item.get("role") == "user"]
    return _text(said[-1].get("content")) if said else ""


def fields(request: Request) -> frozenset[str]:
    """Return the names of the fields that the answer must have; none where any text will do."""
    schema = request.get("text", {}).get("format", {}).get("schema", {})
    return frozenset(schema.get("properties", {}))


@dataclass(frozen=True)
class Client:
    """The other end of one request."""

    writer: asyncio.StreamWriter

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        lines = [
            f"HTTP/1.1 {status} -",
            "connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def whole(self, status: int, body: str, **headers: str) -> None:
        """Send a whole answer that is no stream."""
        await self.head(
            status, {"content-type": "application/json", "content-length": str(len(body.encode())), **headers}
        )
        self.writer.write(body.encode())
        await self.writer.drain()

    async def stream(self) -> None:
        """Begin a stream of events."""
        await self.head(200, {"content-type": "text/event-stream"})
        await self.event("response.created", response={"id": _id("resp")})

    async def event(self, kind: str, **data: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Send one event of the stream."""
        self.writer.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode())
        await self.writer.drain()

    async def items(self, items: Sequence[Item]) -> None:
        """Send the items of an answer, each as done."""
        for item in items:
            await self.event("response.output_item.done", item=item)

    async def completed(self, usage: Usage = CALL) -> None:
        """End the stream as the API does; without this it counts as cut."""
        tokens = {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.total,
        }
        await self.event("response.completed", response={"id": _id("resp"), "usage": tokens})


@dataclass
class ModelServer:
    """The server: `async with ModelServer(script) as server`, then `server.base_url`."""

    script: Script
    usage: Usage = CALL
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _busy: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def base_url(self) -> str:
        """The address to configure as `codex.base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> ModelServer:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=BODY_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await self._answer(reader, Client(writer))
            finally:
                writer.close()
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, client: Client) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, *_ = head[0].split(" ")
        if (method, path) != ("POST", "/v1/responses"):
            await client.whole(404, '{"error": {"message": "not found"}}')
            return
        request: Request = json.loads(body)
        self.requests.append(request)
        self.headers.append(headers)
        self.arrived.set()
        reply = self.script.reply(request)
        if isinstance(reply, Sequence):
            await client.stream()
            await client.items(reply)
            await client.completed(self.usage)
        else:
            await reply.play(client)


def _text(content: Any) -> str:  # noqa: ANN401 - text, or a list of parts
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return json.dumps(content)


def _id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"

"""What we say on GitHub: one comment for each topic, edited in place, and reactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.errors import ForgeAccessError, ForgeError, ForgeRefusedError, ForgeWaitError
from worker.forges.github import reading

if TYPE_CHECKING:
    from worker.forges.base import Comment, Reaction
    from worker.forges.github.hub import Hub


async def say(hub: Hub, number: int, topic: str, text: str) -> None:
    """Write our comment about a topic, or edit the one that is there; no answer makes it two."""
    marker = f"<!-- pimainteno: {topic} -->"
    body = f"{text}\n\n{marker}"
    if there := await _ours(hub, number, marker):
        if _plain(there.body) != _plain(body):
            await hub.write("PATCH", f"{hub.repo}/issues/comments/{there.id}", {"body": body})
        return
    try:
        await hub.write("POST", f"{hub.repo}/issues/{number}/comments", {"body": body})
    except (ForgeWaitError, ForgeAccessError, ForgeRefusedError):
        raise
    except ForgeError:
        if not await _ours(hub, number, marker):
            raise


async def react(hub: Hub, comment: int, reaction: Reaction) -> None:
    """Put a reaction under a comment, where that is still there."""
    path = f"{hub.repo}/issues/comments/{comment}/reactions"
    answer = await hub.ask("POST", path, body={"content": reaction}, paced=True)
    if answer.status != 404 or not isinstance(answer.data, dict):
        hub.good(answer)


async def _ours(hub: Hub, number: int, marker: str) -> Comment | None:
    """Return our comment that ends with the marker; words of others that we quote stand above it."""
    said = await reading.comments(hub, number, after=0)
    return next((each for each in said if each.ours and _plain(each.body).endswith(marker)), None)


def _plain(body: str) -> str:
    return body.replace("\r\n", "\n").strip()

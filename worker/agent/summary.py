"""codex.md as the model would have it: asked read-only, cleaned, and free of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.changes import Summary
from app.core.errors import Failed, Refused
from worker.agent import codex, prompts
from worker.agent.codex_config import Retries

if TYPE_CHECKING:
    from app.core.redact import Redactor
    from worker.agent.codex import Reply
    from worker.agent.sandbox import Box, Place
    from worker.context import Work

LIMIT = 64 * 1024
"""Bytes that codex.md may have."""


async def refresh(
    work: Work,
    project: str,
    tree: Place,
    box: Box,
    *,
    present: bytes | None,
    diff: str | None,
    retries: Retries = Retries(),  # noqa: B008 - frozen
) -> Reply[Summary]:
    """Ask what codex.md should say; `changed` is true only where that differs from `present`.

    Raises Refused when the text holds a secret, Failed when there is no text and none before.
    """
    text = None if present is None else work.redactor.text(present.decode(errors="replace"))
    prompt = prompts.summarise(project=project, present=text, diff=diff)
    reply = await codex.ask(
        work, project, tree, box, prompt=prompt, answer=Summary, writable=False, retries=retries
    )
    try:
        told = settle(reply.answer, present)
        _without_secrets(told.codex_md, work.redactor)
    except (Failed, Refused) as stop:
        stop.usage = reply.usage
        raise
    return codex.Reply(told, reply.usage, reply.thread)


def settle(told: Summary, present: bytes | None) -> Summary:
    """Return the answer as it can be written: clean, within the limit, and marked by what really changed."""
    text = _within(prompts.clean(told.codex_md).strip() + "\n") if told.changed else "\n"
    if not text.strip():
        if present is None:
            raise Failed("the model wrote no codex.md, and there is none yet")
        return Summary(changed=False, codex_md="")
    changed = text.encode() != present
    return Summary(changed=changed, codex_md=text if changed else "")


def _without_secrets(text: str, redactor: Redactor) -> None:
    if found := redactor.findings(text):
        raise Refused(f"the model's codex.md holds what looks like a secret: {', '.join(found)}")


def _within(text: str) -> str:
    """Cut a text at the end of the last line that fits, or within a line that is too long by itself."""
    raw = text.encode()
    if len(raw) <= LIMIT:
        return text
    end = raw.rfind(b"\n", 0, LIMIT)
    return raw[: end if end > 0 else LIMIT - 1].decode(errors="ignore") + "\n"

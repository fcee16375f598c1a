"""What people say to us in comments: `/pimainteno retry`, `close`, `snooze 7d`, `help`.

Only the word of people who may push counts; of others' comments nothing is read, answered or acted on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core import durations, logs
from app.core.base import now
from app.core.errors import (
    BadRequestError,
    ConflictError,
    ForgeAccessError,
    ForgeRefusedError,
)
from app.core.models import NewJob
from app.core.queue import Queue
from app.core.redact import printable
from app.store import actions, jobs, proposals
from worker.forges.registry import forge_for

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from app.core.models import Proposal
    from app.store.database import Tx
    from worker.context import Work
    from worker.forges.base import Forge, Reaction, Remote

_ORDER = re.compile(r"^/pimainteno(?:[ \t]+(\S+))?(?:[ \t]+(\S+))?[ \t]*\r?$", re.MULTILINE)
_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*\r?$|\Z)", re.MULTILINE | re.DOTALL)
MARK = "<!-- pimainteno:"
"""In every comment of ours. Whoever gave us a token of their own writes under the same name, without it."""
HELP = """\
What PiMainteno does on a line of its own, from people who may push to this repository:

- `/pimainteno retry`: try again, from the present state of the default branch
- `/pimainteno close`: close this; the same failure is only counted from then on
- `/pimainteno snooze 7d`: close this for a while (`30m`, `12h`, `7d`, `2w`)
- `/pimainteno help`: this list"""


@dataclass(frozen=True)
class Remark:
    """A comment; without `verb` there is nothing in it for us."""

    comment: int
    author: str
    verb: str = ""
    argument: str = ""


def order(text: str) -> tuple[str, str] | None:
    """Return the verb and its argument of the first line that is addressed to us, outside code blocks."""
    found = _ORDER.search(_FENCED.sub("", text))
    return ((found[1] or "help").lower(), found[2] or "") if found else None


async def heard(forge: Forge, remote: Remote, *, after: int) -> tuple[Remark, ...]:
    """Return the comments since then, oldest first, with the orders of those who may give some."""
    said = []
    for each in await forge.comments(remote, after=after):
        wanted = None if each.ours and MARK in each.body else order(each.body)
        if wanted is None or not await forge.may_write(each.author):
            said.append(Remark(each.id, each.author))
        else:
            said.append(Remark(each.id, each.author, *wanted))
    return tuple(said)


async def obey(tx: Tx, proposal: Proposal, remark: Remark, *, forge: str) -> None:
    """Take an order into the outbox with the answer to it, and note at once that the comment was read."""
    known = await proposals.get(tx, proposal.id)
    if remark.comment <= known.last_comment:
        return
    await proposals.update(tx, proposal.id, last_comment=remark.comment)
    if not remark.verb:
        return
    person = printable(remark.author, keep_newlines=False)[:60]
    reaction, text = await _done(tx, proposal.id, remark, f"{person} on {forge}")
    args = {
        "proposal_id": proposal.id,
        "topic": f"answer {remark.comment}",
        "text": text,
        "comment": remark.comment,
        "reaction": reaction,
    }
    await jobs.add(tx, NewJob(queue=Queue.PUBLISHER, name="say", args=args))


async def say(
    work: Work,
    *,
    proposal_id: int,
    topic: str,
    text: str,
    comment: int = 0,
    reaction: Reaction = "+1",
) -> tuple[NewJob, ...]:
    """Put a reaction under a comment and write our own about a topic, each once; both can be done without."""
    async with work.store.read() as tx:
        proposal = await proposals.get(tx, proposal_id)
    forge = forge_for(work.settings, proposal.project)
    if proposal.number is None or not forge.capabilities.is_read_back:
        return ()
    await forge.look()
    remote = await forge.read(proposal.number)
    if remote is None:
        return ()
    await work.still_ours()
    if comment:
        await _unless_refused(forge.react(remote, comment, reaction), "a reaction", proposal_id)
    if text:
        await _unless_refused(forge.say(remote, topic, text), "a comment", proposal_id)
    return ()


async def _unless_refused(writing: Awaitable[None], what: str, proposal_id: int) -> None:
    try:
        await writing
    except (ForgeAccessError, ForgeRefusedError) as error:
        logs.get().warning(f"{what} was not written", proposal=proposal_id, error=str(error))


async def _done(tx: Tx, proposal_id: int, remark: Remark, actor: str) -> tuple[Reaction, str]:
    """Ask for what an order wants; return the reaction, and words where there is something to say."""
    try:
        match remark.verb:
            case "help":
                return "+1", HELP
            case "retry" | "close" as action:
                await actions.request(tx, action, proposal_id, actor=actor)
            case "snooze":
                until = now() + durations.parse(remark.argument)
                await actions.request(tx, "snooze", proposal_id, actor=actor, until=until)
            case _:
                verb = re.sub(r"[^A-Za-z-]", "", remark.verb)[:20] or "that"
                return "confused", f"PiMainteno does not know `{verb}`.\n\n{HELP}"
    except BadRequestError:
        return "confused", "After `snooze` a time is expected: `30m`, `12h`, `7d` or `2w`, a year at most."
    except ConflictError as error:
        return "confused", f"{error}."
    return "+1", ""

"""Comments under a merge request, which GitLab calls notes: those of people, our own, and reactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.forges.base import Comment
from worker.forges.gitlab.answers import DEVELOPER
from worker.forges.gitlab.reading import of, tame

if TYPE_CHECKING:
    from worker.forges.base import Reaction
    from worker.forges.gitlab.lab import Lab

EMOJI: dict[Reaction, str] = {
    "+1": "thumbsup",
    "-1": "thumbsdown",
    "eyes": "eyes",
    "confused": "confused",
}


async def comments(lab: Lab, request: str, *, after: int) -> list[Comment]:
    """Return people's and our notes with ids above `after`, oldest first; GitLab's own are left out."""
    me, found = await lab.me(), list[Comment]()
    async for note in lab.pages(f"{request}/notes", sort="desc", order_by="created_at"):
        id_ = of(note, "id")
        if not isinstance(id_, int):
            continue
        if id_ <= after:
            break
        if of(note, "system") is not True:
            found.append(_comment(id_, note, me))
    return sorted(found, key=lambda comment: comment.id)


async def may_write(lab: Lab, person: str) -> bool:
    """Tell whether a person may push: a member, through a group too, who is at least a Developer."""
    user = await lab.user(person)
    return user is not None and await has_role(lab, user)


async def has_role(lab: Lab, user: int) -> bool:
    """Tell whether a user may push to the project."""
    answer = await lab.ask("GET", f"{lab.project}/members/all/{user}")
    if answer.lacks_a_part:
        return False
    level = of(lab.good(answer), "access_level")
    return isinstance(level, int) and level >= DEVELOPER


async def say(lab: Lab, request: str, topic: str, text: str) -> None:
    """Write our one note about a topic, or edit it in place where it says something else."""
    marker = f"<!-- pimainteno: {topic} -->"
    body = f"{tame(text.strip())}\n\n{marker}"
    for comment in await comments(lab, request, after=0):
        if comment.ours and marker in comment.body:
            if comment.body.strip() != body.strip():
                await lab.write("PUT", f"{request}/notes/{comment.id}", {"body": body})
            return
    await lab.write("POST", f"{request}/notes", {"body": body})


async def react(lab: Lab, request: str, comment: int, reaction: Reaction) -> None:
    """Put a reaction under a note; GitLab answers 404 where ours is there already."""
    path = f"{request}/notes/{comment}/award_emoji"
    answer = await lab.ask("POST", path, body={"name": EMOJI[reaction]})
    if "already been taken" not in answer.words:
        lab.good(answer)


def _comment(id_: int, note: Any, me: int) -> Comment:  # noqa: ANN401 - whatever JSON holds
    author = of(note, "author")
    name, body = of(author, "username"), of(note, "body")
    return Comment(id_, str(name or ""), str(body or ""), ours=of(author, "id") == me)

"""What is different on a forge from what our rows say: pure, from a row and the request as it stands now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.core.models import ProposalState
from app.core.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.core.models import Proposal
    from worker.forges.base import Remote, Standing

TITLE_LIMIT = 200
NAME_LIMIT = 60
NAMED = 5
UNDER_WAY = (ProposalState.WORKING, ProposalState.WAITING)


@dataclass(frozen=True)
class News:
    """One line for the history."""

    kind: str
    text: str
    actor: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """What to write: columns of the row, and what the history says of them."""

    columns: dict[str, Any]
    news: tuple[News, ...]

    @property
    def state(self) -> ProposalState | None:
        """The new state, where there is one."""
        return self.columns.get("state")

    @property
    def freezes(self) -> bool:
        """Whether others have just pushed to the branch."""
        return bool(self.columns.get("foreign_sha"))


@dataclass(frozen=True)
class Seen:
    """A request as the forge has it; without `standing` nobody asked what CI and reviewers say.

    `forge` is its name here, for whatever nobody in particular did; `busy` means that a person's wish is
    being carried out, which decides about the state.
    """

    remote: Remote
    standing: Standing | None
    forge: str
    busy: bool
    redact: Callable[[str], str]

    def words(self, text: str, limit: int) -> str:
        """Return words of others on one harmless line."""
        return " ".join(self.redact(printable(text, keep_newlines=False)).split())[:limit]

    @property
    def who(self) -> str:
        """Who ended the request."""
        return self.words(self.remote.ended_by, NAME_LIMIT) or self.forge


def difference(proposal: Proposal, seen: Seen) -> Difference:
    """Return what the row lacks; a state that a run is about to change is left to it."""
    remote = seen.remote
    columns: dict[str, Any] = {
        name: value
        for name, value in (("number", remote.number), ("url", remote.url), ("forge_changed", remote.changed))
        if value and value != getattr(proposal, name)
    }
    news: list[News] = []
    for part in (_state, _title, _head, _draft, _ci, _review):
        changed, told = part(proposal, seen)
        columns |= changed
        news += told
    return Difference(columns, tuple(news))


Part = tuple[dict[str, Any], list[News]]
NOTHING: Part = ({}, [])


def _state(proposal: Proposal, seen: Seen) -> Part:
    remote, now = seen.remote, proposal.state
    if remote.state == "merged" and now is not ProposalState.MERGED:
        return _merged(seen)
    if seen.busy:
        return NOTHING
    if remote.state == "closed" and now is ProposalState.OPEN:
        return _closed(seen)
    if remote.state == "open" and now not in (ProposalState.OPEN, ProposalState.MERGED, *UNDER_WAY):
        text = "Open again on the forge"
        columns = {"state": ProposalState.OPEN, "reason": None, "snoozed_until": None}
        return columns, [News("proposal.reopened", text, seen.forge, {"url": remote.url})]
    return NOTHING


def _merged(seen: Seen) -> Part:
    remote = seen.remote
    data = {"url": remote.url, "commit": remote.merge_commit, "branch": remote.base}
    columns = {
        "state": ProposalState.MERGED,
        "reason": _how("merged", seen),
        "merge_commit": remote.merge_commit or None,
        "foreign_sha": None,
    }
    return columns, [News("proposal.merged", _how("Merged", seen), seen.who, data)]


def _closed(seen: Seen) -> Part:
    columns = {"state": ProposalState.CLOSED, "reason": _how("closed", seen), "snoozed_until": None}
    return columns, [News("proposal.closed", _how("Closed", seen), seen.who, {"url": seen.remote.url})]


def _how(verb: str, seen: Seen) -> str:
    by = seen.words(seen.remote.ended_by, NAME_LIMIT)
    return f"{verb} by {by} on the forge" if by else f"{verb} on the forge"


def _title(proposal: Proposal, seen: Seen) -> Part:
    title = seen.words(seen.remote.title, TITLE_LIMIT)
    known = seen.words(proposal.title, TITLE_LIMIT)
    if not title or title == known or proposal.state in UNDER_WAY:
        return NOTHING
    return {"title": title}, [News("proposal.updated", f"Its title is now: {title}", seen.forge)]


def _head(proposal: Proposal, seen: Seen) -> Part:
    """Follow the branch. What we did not push there is somebody's work: it is left alone from then on."""
    head = seen.remote.head
    if not head:
        return NOTHING
    columns = {"head_sha": head} if head != proposal.head_sha else {}
    data = {"commit": head}
    if head in proposal.pushed:
        if not proposal.foreign_sha:
            return columns, []
        text = f"Its branch stands at {head[:12]} again, which we pushed"
        news = News("proposal.updated", text, seen.forge, data)
        return {**columns, "foreign_sha": None, "reason": None}, [news]
    text = f"Somebody else pushed {head[:12]} to its branch"
    if seen.remote.state != "open":
        return columns, [News("proposal.updated", text, seen.forge, data)] if columns else []
    if proposal.foreign_sha == head and not columns:
        return NOTHING
    news = News("proposal.updated", f"{text}: it is left alone from now on", seen.forge, data)
    return {**columns, "foreign_sha": head, "reason": frozen(proposal.id, head)}, [news]


def frozen(proposal_id: int, head: str) -> str:
    """Return why we leave a branch alone, and how to have it back."""
    return (
        f"somebody else pushed {head[:12]} to its branch, so it is left alone; "
        f"`pimainteno retry {proposal_id} --discard` takes it back"
    )


def _draft(proposal: Proposal, seen: Seen) -> Part:
    draft = seen.remote.draft
    if seen.remote.state != "open" or draft == proposal.draft:
        return NOTHING
    text = "It is a draft again" if draft else "It is ready for review"
    return {"draft": draft}, [News("proposal.updated", text, seen.forge, {"draft": draft})]


def _ci(proposal: Proposal, seen: Seen) -> Part:
    standing = seen.standing
    if standing is None:
        return NOTHING
    failing = tuple(seen.words(name, NAME_LIMIT) for name in standing.failing)
    if (standing.ci, failing) == (proposal.ci, proposal.failing):
        return NOTHING
    text = "CI: nothing runs" if standing.ci == "none" else f"CI: {standing.ci}"
    text += f" ({_listed(failing)})" if failing else ""
    data = {"ci": standing.ci, "failing": list(failing[:NAMED])}
    return {"ci": standing.ci, "failing": failing}, [News("proposal.ci", text, seen.forge, data)]


def _review(proposal: Proposal, seen: Seen) -> Part:
    standing = seen.standing
    if standing is None or standing.review == proposal.review:
        return NOTHING
    people = [seen.words(person, NAME_LIMIT) for person in standing.reviewers]
    said = {"none": "no verdict", "approved": "approved", "changes_requested": "changes requested"}
    text = f"Review: {said[standing.review]}" + (f" by {_listed(people)}" if people else "")
    data = {"review": standing.review, "by": people[:NAMED]}
    actor = people[0] if len(people) == 1 else seen.forge
    return {"review": standing.review}, [News("proposal.review", text, actor, data)]


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = len(known) - NAMED
    return ", ".join(known[:NAMED]) + (f" and {more} more" if more > 0 else "")

"""Labels, reviewers and assignees: added where they are missing, never taken away, none of them a must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.core.errors import ForgeAccessError, ForgeRefusedError
from worker.forges.github.answers import UnknownTokenError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.forges.base import NewProposal
    from worker.forges.github.hub import Hub

COLOUR = "5319e7"


async def dress(hub: Hub, number: int, draft: NewProposal) -> tuple[str, ...]:
    """Add what a pull request lacks; return GitHub's words about what it would not take."""
    pull = await hub.read(f"{hub.repo}/pulls/{number}")
    return (
        *await _label(hub, number, _missing(draft.labels, _names(pull, "labels", "name"))),
        *await _ask_for_reviews(hub, number, _missing(draft.reviewers, _asked(hub, pull))),
        *await _assign(hub, number, _missing(draft.assignees, _names(pull, "assignees", "login"))),
    )


async def _label(hub: Hub, number: int, labels: list[str]) -> list[str]:
    notes, made = [], []
    for label in labels:
        try:
            await _make(hub, label)
            made.append(label)
        except UnknownTokenError:
            raise
        except (ForgeRefusedError, ForgeAccessError) as error:
            notes.append(_note(f"label {label!r}", error))
    if made:
        notes += await _put(hub, f"issues/{number}/labels", {"labels": made}, "labels")
    return notes


async def _make(hub: Hub, label: str) -> None:
    answer = await hub.ask("GET", f"{hub.repo}/labels/{quote(label, safe='')}")
    if answer.status != 404:
        hub.good(answer)
        return
    try:
        await hub.write("POST", f"{hub.repo}/labels", {"name": label, "color": COLOUR})
    except ForgeRefusedError as error:
        if "already_exists" not in str(error):  # somebody was quicker, or our own answer got lost
            raise


async def _ask_for_reviews(hub: Hub, number: int, reviewers: list[str]) -> list[str]:
    """Ask all at once; where one of them is refused GitHub takes none, so then one by one."""
    if not reviewers:
        return []
    path = f"pulls/{number}/requested_reviewers"
    notes = await _put(hub, path, _reviewers(reviewers), f"reviewer {', '.join(reviewers)}")
    if not notes or len(reviewers) == 1:
        return notes
    return [note for one in reviewers for note in await _put(hub, path, _reviewers([one]), f"reviewer {one}")]


async def _assign(hub: Hub, number: int, people: list[str]) -> list[str]:
    """Assign people; GitHub leaves out, without a word, whom it cannot assign."""
    if not people:
        return []
    try:
        issue = await hub.write("POST", f"{hub.repo}/issues/{number}/assignees", {"assignees": people})
    except UnknownTokenError:
        raise
    except (ForgeRefusedError, ForgeAccessError) as error:
        return [_note(f"assignee {', '.join(people)}", error)]
    left_out = _missing(people, _names(issue, "assignees", "login"))
    return [f"assignee {name}: GitHub left it out: no collaborator of {hub.place.repo}?" for name in left_out]


async def _put(hub: Hub, path: str, body: dict[str, Any], what: str) -> list[str]:
    try:
        await hub.write("POST", f"{hub.repo}/{path}", body)
    except UnknownTokenError:
        raise
    except (ForgeRefusedError, ForgeAccessError) as error:
        return [_note(what, error)]
    return []


def _reviewers(names: list[str]) -> dict[str, list[str]]:
    teams = [name.partition("/")[2] for name in names if "/" in name]
    people = [name for name in names if "/" not in name]
    return {key: value for key, value in (("reviewers", people), ("team_reviewers", teams)) if value}


def _asked(hub: Hub, pull: Any) -> set[str]:  # noqa: ANN401 - whatever JSON holds
    owner = hub.place.repo.partition("/")[0].casefold()
    teams = _names(pull, "requested_teams", "slug")
    return _names(pull, "requested_reviewers", "login") | {f"{owner}/{team}" for team in teams}


def _missing(wanted: Iterable[str], there: set[str]) -> list[str]:
    return [name for name in dict.fromkeys(wanted) if name.casefold() not in there]


def _names(data: Any, key: str, name: str) -> set[str]:  # noqa: ANN401 - whatever JSON holds
    each = data.get(key) if isinstance(data, dict) else None
    found = [one.get(name) for one in each if isinstance(one, dict)] if isinstance(each, list) else []
    return {one.casefold() for one in found if isinstance(one, str)}


def _note(what: str, error: Exception) -> str:
    return f"{what}: {error}"

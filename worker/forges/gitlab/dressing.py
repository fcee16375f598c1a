"""Labels, reviewers and assignees: added where they are missing, never taken away, none of them a must.

One write sets all three; GitLab makes labels that are missing. It drops without a word whom or what it does
not take, and on its free tier all reviewers but the first, so its answer is compared with what was asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.core.errors import ForgeAccessError, ForgeRefusedError
from worker.forges.gitlab.answers import UnknownTokenError
from worker.forges.gitlab.reading import of, some

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.forges.base import NewProposal
    from worker.forges.gitlab.lab import Lab


@dataclass
class _Wish:
    """What one part of the write asks for."""

    what: str
    key: str
    names: list[str]
    body: dict[str, Any] = field(default_factory=dict)


async def dress(lab: Lab, path: str, draft: NewProposal) -> tuple[str, ...]:
    """Add what a merge request lacks; return a note for each thing that GitLab would not take."""
    request = await lab.read(path)
    notes: list[str] = []
    wishes = [
        _labels(request, draft.labels, notes),
        await _people(lab, request, _Wish("reviewer", "reviewers", list(draft.reviewers)), notes),
        await _people(lab, request, _Wish("assignee", "assignees", list(draft.assignees)), notes),
    ]
    return (*notes, *await _put(lab, path, [wish for wish in wishes if wish.names]))


def _labels(request: Any, labels: Iterable[str], notes: list[str]) -> _Wish:  # noqa: ANN401 - JSON
    there = some(of(request, "labels"))
    missing = [label for label in dict.fromkeys(labels) if label not in there]
    notes += [f"label {label!r}: GitLab has no labels with a comma" for label in missing if "," in label]
    wish = _Wish("label", "labels", [label for label in missing if "," not in label])
    wish.body = {"add_labels": ",".join(wish.names)}
    return wish


async def _people(lab: Lab, request: Any, wish: _Wish, notes: list[str]) -> _Wish:  # noqa: ANN401 - JSON
    there = _names(request, wish.key)
    missing = [name for name in dict.fromkeys(wish.names) if name.casefold() not in there]
    ids = [id_ for each in some(of(request, wish.key)) if isinstance(id_ := of(each, "id"), int)]
    wish.names = []
    for name in missing:
        user = None if "/" in name else await lab.user(name)
        if user is None:
            why = "a group cannot be asked, name its people" if "/" in name else "GitLab knows no such user"
            notes.append(f"{wish.what} {name}: {why}")
        else:
            wish.names.append(name)
            ids.append(user)
    wish.body = {f"{wish.what}_ids": ids}  # with those that are there: what is not named here is taken away
    return wish


async def _put(lab: Lab, path: str, wishes: list[_Wish]) -> list[str]:
    """Ask for all at once; where that is refused nothing was taken, so then one by one."""
    if not wishes:
        return []
    body = {key: value for wish in wishes for key, value in wish.body.items()}
    try:
        request = await lab.write("PUT", path, body)
    except UnknownTokenError:
        raise
    except (ForgeRefusedError, ForgeAccessError) as error:
        if len(wishes) == 1:
            return [f"{wishes[0].what} {', '.join(wishes[0].names)}: {error}"]
        return [note for wish in wishes for note in await _put(lab, path, [wish])]
    return [
        f"{wish.what} {name}: GitLab left it out: {_why(wish.what, lab.place.repo)}"
        for wish in wishes
        for name in wish.names
        if name.casefold() not in _names(request, wish.key)
    ]


def _why(what: str, repo: str) -> str:
    if what == "label":
        return f"may the token's user set labels in {repo}?"
    return f"no member of {repo}, or more than one, which its free tier does not take?"


def _names(request: Any, key: str) -> set[str]:  # noqa: ANN401 - whatever JSON holds
    found = (of(each, "username") if isinstance(each, dict) else each for each in some(of(request, key)))
    return {each.casefold() for each in found if isinstance(each, str)}

"""What CI and reviewers say of a pull request, each folded to one word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from app.core.errors import ForgeAccessError, ForgeRefusedError
from worker.forges.base import Standing
from worker.forges.github import pulls
from worker.forges.github.answers import UnknownTokenError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.forges.base import Remote
    from worker.forges.github.hub import Hub

    Verdict = Literal["failure", "pending", "success"]
    Opinion = Literal["changes_requested", "approved"]

T = TypeVar("T", bound=str)
CI: tuple[Verdict, ...] = ("failure", "pending", "success")
"""The first of these that anything says is what all of them say together."""
FAILS = {"failure", "timed_out", "cancelled", "action_required", "startup_failure"}
"""Conclusions of check and workflow runs; neutral, skipped, stale, and words that are new, stop nobody."""
STATES: dict[str, Verdict] = {"failure": "failure", "error": "failure", "pending": "pending"}
"""Of commit statuses; every other word is a success."""
REVIEWS: tuple[Opinion, ...] = ("changes_requested", "approved")
"""As in CI, of what each person said last."""
OPINIONS = {"CHANGES_REQUESTED", "APPROVED", "DISMISSED"}
"""What takes the place of a person's earlier review; a mere comment does not."""
INSIDERS = {"OWNER", "MEMBER", "COLLABORATOR"}


async def standing(hub: Hub, remote: Remote) -> Standing:
    """Return what CI says of the head, and what people who belong there say in reviews."""
    said = await _said(hub, remote.head) if remote.head else []
    opinions = await _opinions(hub, remote.number)
    review = _first(REVIEWS, opinions.values())
    return Standing(
        ci=_first(CI, (verdict for _, verdict in said)) or "none",
        failing=tuple(dict.fromkeys(name for name, verdict in said if verdict == "failure")),
        review=review or "none",
        reviewers=tuple(who for who, opinion in opinions.items() if opinion and opinion == review),
    )


async def _said(hub: Hub, sha: str) -> list[tuple[str, Verdict]]:
    commit = f"{hub.repo}/commits/{sha}"
    checks = await _where_allowed(hub, f"{commit}/check-runs", "check_runs", filter="latest")
    if checks is None:  # a fine-grained token cannot be given the right to them, but one to workflow runs
        runs = await _where_allowed(hub, f"{hub.repo}/actions/runs", "workflow_runs", head_sha=sha)
        checks = _newest(runs or [])
    statuses = await _where_allowed(hub, f"{commit}/status", "statuses") or []
    return [
        *((pulls.text(run, "name"), _verdict(run)) for run in checks),
        *(
            (pulls.text(each, "context"), STATES.get(str(pulls.of(each, "state")), "success"))
            for each in statuses
        ),
    ]


def _verdict(run: Any) -> Verdict:  # noqa: ANN401 - whatever JSON holds
    if pulls.of(run, "status") != "completed":
        return "pending"
    return "failure" if pulls.of(run, "conclusion") in FAILS else "success"


def _newest(runs: list[Any]) -> list[Any]:
    """Return the newest run of each workflow and event; GitHub gives the newest first."""
    found: dict[tuple[Any, Any], Any] = {}
    for run in runs:
        found.setdefault((pulls.of(run, "workflow_id"), pulls.of(run, "event")), run)
    return list(found.values())


async def _where_allowed(hub: Hub, path: str, key: str, **params: str) -> list[Any] | None:
    """Return a list; None where the token lacks the right to it: not all have every one of them."""
    try:
        return [each async for each in hub.pages(path, key, **params)]
    except UnknownTokenError:
        raise
    except ForgeAccessError:
        return None
    except ForgeRefusedError:
        return []


async def _opinions(hub: Hub, number: int) -> dict[str, Opinion | None]:
    """Return what each person said last, None where that was taken back; GitHub gives the oldest first."""
    last: dict[str, Opinion | None] = {}
    async for review in hub.pages(f"{hub.repo}/pulls/{number}/reviews"):
        who, state = pulls.text(review, "user", "login"), pulls.of(review, "state")
        if who and state in OPINIONS and pulls.of(review, "author_association") in INSIDERS:
            last[who] = next((each for each in REVIEWS if each == state.lower()), None)
    return last


def _first(order: tuple[T, ...], there: Iterable[T | None]) -> T | None:
    found = set(there)
    return next((each for each in order if each in found), None)

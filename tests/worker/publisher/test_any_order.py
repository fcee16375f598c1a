"""Whatever happens on a forge, in any order and told in any way: our rows end in the forge's own state."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest

from app.core.errors import ConflictError
from app.core.models import Proposal, ProposalState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.worker.publisher.conftest import House
    from tests.worker.publisher.there import There

SEQUENCES = 12
STEPS = 12


def state_of(there: There) -> ProposalState:
    return ProposalState({"opened": "open"}.get(there.request.state, there.request.state))


async def agree(there: There) -> Proposal:
    """Compare the row, and the history, with the request."""
    row, request = await there.house.proposal(), there.request
    assert (row.state, row.number) == (state_of(there), request.number)
    head = there.now("head_sha")
    assert row.head_sha == head
    title = request.title.removeprefix("Draft: ")
    assert row.title == title
    if row.state is ProposalState.OPEN:
        assert (row.draft, row.foreign_sha) == (request.draft, None if head in row.pushed else head)
    told = [e.kind for e in await there.house.events() if e.kind in STATES]
    assert STATES[told[-1]] is row.state
    ends = ("proposal.closed", "proposal.merged")
    assert [one for one, other in itertools.pairwise(told) if one == other and one in ends] == []
    return row


STATES = {
    "proposal.opened": ProposalState.OPEN,
    "proposal.reopened": ProposalState.OPEN,
    "proposal.closed": ProposalState.CLOSED,
    "proposal.merged": ProposalState.MERGED,
}


def merge(there: There) -> None:
    there.do("ready")
    there.do("merge")


WHAT: dict[str, Callable[[There], Any]] = {
    "synchronise": lambda there: there.push(),
    "close": lambda there: there.do("close"),
    "reopen": lambda there: there.do("reopen"),
    "merge": merge,
}


def possible(there: There, what: str) -> bool:
    """Tell whether the forge lets a person do that now."""
    state = state_of(there)
    if what == "reopen":
        return state is ProposalState.CLOSED and there.now("head_ref") in there.house.branches()
    return state is ProposalState.OPEN or what == "comment"


def push_back(there: There) -> None:
    """Put the branch to where we had it, as a person may."""
    ours = there.house.origin.git("rev-parse", "refs/heads/ours")
    there.house.origin.git(
        "push", "--quiet", "--force", "origin", f"{ours}:refs/heads/{there.now('head_ref')}"
    )


CI = {"github": ("success", "failure", "pending"), "gitlab": ("success", "failed", "running")}
REVIEWS = ("APPROVED", "CHANGES_REQUESTED")


def _alone(what: Callable[[There], Any]) -> Callable[[There, random.Random], Any]:
    return lambda there, _: what(there)


ANY: dict[str, Callable[[There, random.Random], Any]] = {
    "edit": lambda there, dice: there.do("edit", title=f"A title {dice.randrange(3)}"),
    "ready": lambda there, _: there.do("ready"),
    "comment": lambda there, dice: there.do("comment", f"Hm {dice.randrange(9)}"),
    "ci": lambda there, dice: there.do("status", dice.choice("ab"), dice.choice(CI[there.kind])),
    "review": lambda there, dice: there.do("review", "octocat", dice.choice(REVIEWS)),
    "push back": lambda there, _: push_back(there),
    **{name: _alone(what) for name, what in WHAT.items()},
}
OURS = ("close", "retry", "discard")


@pytest.mark.parametrize("seed", range(SEQUENCES))
async def test_whatever_people_do_our_row_ends_as_the_forge_has_it(there: There, seed: int) -> None:
    dice, house = random.Random(f"{seed} {there.kind}"), there.house
    house.origin.git("fetch", "--quiet", "origin", f"{there.now('head_ref')}:refs/heads/ours")
    done: list[str] = []
    for step in range(STEPS):
        names = [name for name in ANY if possible(there, name) and (name != "merge" or step > STEPS // 2)]
        what = dice.choice(names)
        ANY[what](there, dice)
        done.append(what)
        if dice.random() < 0.2:
            wish = dice.choice(OURS)
            done.append(f"we {wish}")
            await _wish(house, wish)
        if dice.random() < 0.5:
            done.append("look")
            await dice.choice([there.reconcile, there.poll])()
    await there.settle()
    await there.poll()
    try:
        await agree(there)
    except AssertionError as error:
        error.add_note(f"after: {', '.join(done)}")
        raise


async def _wish(house: House, wish: str) -> None:
    """Ask for something ourselves, where it can be asked for just now."""
    try:
        await house.ask("retry" if wish == "discard" else wish, discard=wish == "discard")  # type: ignore[arg-type]
    except ConflictError:
        return


async def test_what_is_told_late_and_twice_changes_nothing(there: There) -> None:
    there.push()
    there.do("close")
    there.do("reopen")
    merge(there)
    for _ in range(3):
        await there.reconcile()
        await there.poll()
    assert (await agree(there)).state is ProposalState.MERGED
    assert len([e for e in await there.house.events() if e.kind in STATES]) == 2

"""Fills a store with a week of work, through the store's own functions, in the order in which it happened."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

from app.core import base
from app.core.models import ProposalState
from app.store import actions, events, projects
from tests.browser.week.case import REPOS, Case
from tests.browser.week.clock import Week, clock, hashed
from tests.browser.week.failing import again
from tests.browser.week.people import forge
from tests.browser.week.ready import CHANGES_REQUESTED, CI_FAILING, EDITED, READY
from tests.browser.week.repair import ENDS, begun, made, opened, started, stopped
from tests.browser.week.rest import ENDED, NOT_PROPOSED, WAITING, WORKING
from tests.browser.week.standing import standing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from app.store.database import Store

CASES: tuple[Case, ...] = (
    *READY,
    *CI_FAILING,
    *CHANGES_REQUESTED,
    *EDITED,
    *WAITING,
    *WORKING,
    *NOT_PROPOSED,
    *ENDED,
)


async def tell(
    store: Store, cases: Sequence[Case] = CASES, *, paused: bool = True, alone: bool = False
) -> dict[str, int]:
    """Let the week happen, and return the proposals' ids by their titles; `alone` is nothing around them."""
    now = base.now()
    week = Week(store, now, now)
    stories = [_story(week, case) for case in cases]
    if not alone:
        stories += [_days(week), _evening(week, paused=paused)]
    order = count()
    due: list[tuple[datetime, int, AsyncIterator[datetime]]] = []
    with clock(week):
        for story in stories:
            heapq.heappush(due, (await anext(story), next(order), story))
        while due:
            week.moment, _, story = heapq.heappop(due)
            async for then in story:  # up to its next step
                heapq.heappush(due, (max(then, week.moment), next(order), story))
                break
        if not alone:
            await standing(week, cases)
    return week.ids


async def _story(week: Week, case: Case) -> AsyncIterator[datetime]:
    yield week.before(case.first)
    proposal, run, incident = await begun(week, case)
    if case.tokens[0]:
        yield week.moment + timedelta(seconds=40)
        await started(week, proposal, run)
        if case.state is not ProposalState.WORKING:
            yield week.moment + timedelta(seconds=171)
            await made(week, case, proposal, run)
    if case.state in ENDS or case.state is ProposalState.WAITING:
        await stopped(week, case, proposal, run)
    elif case.state is not ProposalState.WORKING:
        yield week.moment + timedelta(seconds=8)
        await opened(week, case, proposal, run)
        async for then in forge(week, case, proposal):
            yield then
    if incident is not None and case.times > 1:
        async for then in again(week, case, proposal, incident):
            yield then


async def _days(week: Week) -> AsyncIterator[datetime]:
    """Tell the daily look at each project, and units that recovered by themselves."""
    for day in range(6, -1, -1):
        for number, name in enumerate(sorted(set(REPOS) - {"attic-archive"})):
            yield week.before(24 * day + 2 + number / 10)
            async with week.store.write() as tx:
                await projects.saw(
                    tx, name, url=_home(name), default_branch="main", last_commit=hashed(f"{name} {day // 2}")
                )
                await projects.scanned(tx, name, summary="outdated" if name == "heating" else "current")
                await events.append(
                    tx,
                    "scan.done",
                    f"Scan of {name}: nothing to improve",
                    project=name,
                    data={"outcome": "ignored"},
                )
        yield week.before(24 * day + 1)
        await week.say(
            "failure.recovered",
            "weather-upload.service recovered by itself after 4 s on pi-kitchen",
            project="weather-station",
            actor="watcher",
            host="pi-kitchen",
            data={"after_s": 4.2},
        )


async def _evening(week: Week, *, paused: bool) -> AsyncIterator[datetime]:
    """Tell what people did to all of it."""
    yield week.before(12.2)
    await week.say("operator.retry", "retry ended: run 3 took its place", project="shop", actor="token:ci")
    yield week.before(0.2)
    await week.say("project.trouble", "lab: 502 from gitlab.com, trying again", project="backup")
    if paused:
        yield week.before(0.15)
        async with week.store.write() as tx:
            await actions.pause(tx, "the attic is being rewired", "ann")


def _home(project: str) -> str | None:
    repo = REPOS[project]
    return (
        None if repo.startswith("/") else f"https://{'gitlab' if 'house/' in repo else 'github'}.com/{repo}"
    )

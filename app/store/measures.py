"""What is measured from outside: one look at the tables for all numbers, the same from every web process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Double as Plain
from sqlalchemy import func, select, type_coerce

from app.store import tallies
from app.store.clock import db_now
from app.store.tables import incidents, jobs, pauses, projects, proposals, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

_PENDING = ("queued", "running", "dead")
_OVER = ("done", "skipped", "refused", "failed")


@dataclass(frozen=True)
class Measures:
    """All numbers. Keys are labels, as `app.web.metrics` names them in order; times are since 1970."""

    failures: Mapping[tuple[str, ...], float]
    runs: Mapping[tuple[str, ...], float]
    tokens: Mapping[tuple[str, ...], float]
    deliveries: Mapping[tuple[str, ...], float]
    proposals: Mapping[tuple[str, ...], float]
    incidents: Mapping[tuple[str, ...], float]
    jobs: Mapping[tuple[str, ...], float]
    waits_s: Mapping[tuple[str, ...], float]
    scans: Mapping[tuple[str, ...], float]
    stages: Mapping[str, Stage]
    paused: bool


@dataclass(frozen=True)
class Stage:
    """How often a stage ended within each bound, counted together, and how long it took in all."""

    within: tuple[tuple[str, float], ...]
    seconds: float


async def read(tx: AsyncConnection) -> Measures:
    """Return all numbers as they are now."""
    kinds = await _runs(tx)
    failures = await tallies.totals(tx, tallies.FAILURES)
    deliveries = await tallies.totals(tx, tallies.DELIVERIES)
    return Measures(
        failures={(project,): value for (project, _), value in failures.items()},
        runs={(kind, state): count for (kind, state), (count, _) in kinds.items() if state in _OVER},
        tokens=_summed(kinds),
        deliveries={(source, result): value for (source, result), value in deliveries.items()},
        proposals=await _proposals(tx),
        incidents=await _incidents(tx),
        jobs=await _jobs(tx),
        waits_s=await _waits(tx),
        scans=await _scans(tx),
        stages=await _stages(tx),
        paused=await tx.scalar(select(func.count()).where(pauses.c.scope == "all")) == 1,
    )


async def _runs(tx: AsyncConnection) -> dict[tuple[str, str], tuple[int, int]]:
    query = select(runs.c.kind, runs.c.state, func.count(), func.coalesce(func.sum(runs.c.tokens), 0))
    rows = await tx.execute(query.group_by(runs.c.kind, runs.c.state))
    return {(row[0], row[1]): (row[2], int(row[3])) for row in rows}


def _summed(kinds: Mapping[tuple[str, str], tuple[int, int]]) -> dict[tuple[str, ...], float]:
    tokens: dict[tuple[str, ...], float] = {}
    for (kind, _), (_, spent) in kinds.items():
        tokens[kind,] = tokens.get((kind,), 0) + spent
    return tokens


async def _proposals(tx: AsyncConnection) -> dict[tuple[str, ...], float]:
    query = select(proposals.c.state, func.count()).group_by(proposals.c.state)
    return {(row[0],): row[1] for row in await tx.execute(query)}


async def _incidents(tx: AsyncConnection) -> dict[tuple[str, ...], float]:
    query = select(incidents.c.state, func.count()).group_by(incidents.c.state)
    return {(row[0],): row[1] for row in await tx.execute(query)}


async def _jobs(tx: AsyncConnection) -> dict[tuple[str, ...], float]:
    query = select(jobs.c.queue, jobs.c.state, func.count()).where(jobs.c.state.in_(_PENDING))
    return {(row[0], row[1]): row[2] for row in await tx.execute(query.group_by(jobs.c.queue, jobs.c.state))}


async def _waits(tx: AsyncConnection) -> dict[tuple[str, ...], float]:
    """Return for how long the oldest job of each queue that is due has not been taken."""
    oldest = db_now() - func.min(type_coerce(jobs.c.not_before, Plain))
    query = select(jobs.c.queue, oldest).where(jobs.c.state == "queued", jobs.c.not_before <= db_now())
    return {(row[0],): max(row[1], 0.0) for row in await tx.execute(query.group_by(jobs.c.queue))}


async def _scans(tx: AsyncConnection) -> dict[tuple[str, ...], float]:
    query = select(projects.c.name, type_coerce(projects.c.last_scan, Plain))
    return {(row[0],): row[1] for row in await tx.execute(query.where(projects.c.last_scan.is_not(None)))}


async def _stages(tx: AsyncConnection) -> dict[str, Stage]:
    counted = await tallies.totals(tx, tallies.STAGES)
    seconds = await tallies.totals(tx, tallies.STAGE_SECONDS)
    found: dict[str, Stage] = {}
    for stage in sorted({stage for stage, _ in counted}):
        within: list[tuple[str, float]] = []
        sofar = 0.0
        for bound in (*map(str, tallies.BOUNDS_S), tallies.LONGER):
            sofar += counted.get((stage, bound), 0)
            within.append((bound, sofar))
        found[stage] = Stage(tuple(within), seconds.get((stage, ""), 0.0))
    return found

"""The numbers for Prometheus, read back with its own parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from app import __version__
from app.core.models import NewJob, ProposalState
from app.store import deliveries, events, jobs, pauses, projects, tallies
from tests.web.conftest import TOKENS, add_proposal

if TYPE_CHECKING:
    from app.store.database import Store
    from tests.web.conftest import Make, Site

FORMATS = {
    "text/plain": plain,
    "application/openmetrics-text; version=1.0.0; charset=utf-8": open_metrics,
}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(site: Site, accept: str = "text/plain") -> Samples:
    async with site.client(token=TOKENS["viewer"]) as client:
        answer = await client.get("/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == accept.split(";", maxsplit=1)[0]
    families = list(FORMATS[accept](answer.text))  # type: ignore[no-untyped-call]
    assert all(family.documentation for family in families)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def of(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((f"pimainteno_{name}", tuple(sorted(labels.items()))))


async def fill(store: Store) -> None:
    await add_proposal(store)
    await add_proposal(store, state=ProposalState.MERGED)
    async with store.write() as tx:
        await events.append(tx, "failure.seen", "", project='odd "name"\\\n', data={"more": 3})
        await jobs.add(tx, NewJob(queue="agent", name="repair", args={"run_id": 1}))
        await deliveries.add(tx, "hub", "d1", "push")
        await deliveries.done(tx, "hub", "d1", result="ignored: no proposal of ours")
        await projects.scanned(tx, "greeter", summary="current")
        await pauses.set_(tx, "a wrong key", "anna")
        for seconds in (0.5, 20, 5000):
            await tallies.took(tx, "repair", seconds)


@pytest.mark.parametrize("accept", FORMATS)
async def test_what_is_measured(site: Site, accept: str) -> None:
    await fill(site.store)
    found = await scrape(site, accept)

    assert of(found, "failures_total", project='odd "name"\\\n') == 3
    assert of(found, "runs_total", kind="fix", outcome="done") == 2
    assert of(found, "tokens_total", kind="fix") == 3000
    assert of(found, "proposals", state="open") == 1
    assert of(found, "proposals", state="merged") == 1
    assert of(found, "incidents", state="open") == 2
    assert of(found, "jobs", queue="agent", state="queued") == 1
    assert 0 <= (of(found, "job_oldest_wait_seconds", queue="agent") or 0) < 120
    assert of(found, "deliveries_total", source="hub", result="ignored") == 1
    assert (of(found, "last_scan_timestamp_seconds", project="greeter") or 0) > 1.7e9
    assert of(found, "paused") == 1
    assert of(found, "stage_duration_seconds_count", stage="repair") == 3
    assert of(found, "stage_duration_seconds_sum", stage="repair") == 5020.5
    (builds,) = [dict(labels) for (name, labels) in found if name == "pimainteno_build_info"]
    assert builds["version"] == __version__
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "pimainteno_stage_duration_seconds_bucket"
    }
    assert [buckets[le] for le in sorted(buckets, key=float)] == [1, 1, 1, 2, 2, 2, 2, 2, 3]


async def test_several_processes_say_the_same(make_site: Make, site: Site) -> None:
    await fill(site.store)
    waits = ("pimainteno_job_oldest_wait_seconds", (("queue", "agent"),))
    one, other = await scrape(site), await scrape(make_site())
    one.pop(waits)
    other.pop(waits)
    assert one == other


async def test_an_empty_store_is_measured_too(site: Site) -> None:
    found = await scrape(site)
    assert of(found, "paused") == 0
    assert {name for name, _ in found} == {"pimainteno_paused", "pimainteno_build_info"}


async def test_numbers_are_not_for_everybody(site: Site) -> None:
    async with site.client(peer="192.0.2.7") as client:
        assert (await client.get("/metrics")).status_code == 401

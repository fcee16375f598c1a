"""Numbers for Prometheus, read from the store at each scrape: several web processes say the same."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app import __version__
from app.web.context import TheWeb  # noqa: TC001 - FastAPI reads it
from app.web.guard import GuardedRoute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from app.store.measures import Measures

router = APIRouter(route_class=GuardedRoute)

COUNTERS = (
    ("failures", "failures", "Failures of units that were taken in.", ("project",)),
    ("runs", "runs", "Runs that ended, by what they set out to do and how they ended.", ("kind", "outcome")),
    ("tokens", "tokens", "Tokens that runs took of the model.", ("kind",)),
    (
        "deliveries",
        "deliveries",
        "Messages from forges and watchers, by what came of them.",
        ("source", "result"),
    ),
)
GAUGES = (
    ("proposals", "proposals", "Proposals by state.", ("state",)),
    ("incidents", "incidents", "Incidents by state.", ("state",)),
    ("jobs", "jobs", "Jobs that are not done, by queue and state.", ("queue", "state")),
    ("waits_s", "job_oldest_wait_seconds", "How long the oldest job that is due has waited.", ("queue",)),
    ("scans", "last_scan_timestamp_seconds", "When a project was last scanned, since 1970.", ("project",)),
)
"""The field of `Measures`, the metric's name, what it is, and its labels."""


@router.api_route("/metrics", methods=["GET", "HEAD"])
async def metrics(web: TheWeb, request: Request) -> Response:
    """Return the numbers in the format that the scraper asks for."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    from app.store import measures

    async with web.store.read() as tx:
        read = await measures.read(tx)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(read))
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": media_type})


class _Collector:
    """Gives out one set of numbers."""

    def __init__(self, read: Measures) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Return all metrics."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        read = self._read
        built = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("pimainteno_build", "The program that answers.", value=built)
        for families, make in ((COUNTERS, CounterMetricFamily), (GAUGES, GaugeMetricFamily)):
            for field, name, text, labels in families:
                family = make(f"pimainteno_{name}", text, labels=labels)
                values: Mapping[tuple[str, ...], float] = getattr(read, field)
                for said, value in values.items():
                    family.add_metric(said, value)
                yield family
        yield GaugeMetricFamily("pimainteno_paused", "1 while no run is started.", value=float(read.paused))
        stages = HistogramMetricFamily(
            "pimainteno_stage_duration_seconds",
            "How long the stages of runs took that ended well.",
            labels=("stage",),
        )
        for name, stage in read.stages.items():
            stages.add_metric([name], buckets=[*stage.within], sum_value=stage.seconds)
        yield stages

"""What the service counts and times, as Prometheus reads it.

The only importer of prometheus_client. Several workers add up in a folder of files, which
``METRICS_FOLDER`` must name before this module is imported. No label holds a text from outside:
outcomes, stages, codes, HTTP statuses and the names of builds are ours.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from qa.answer import Answer
from qa.web import METRICS_FOLDER

CONTENT_TYPE = CONTENT_TYPE_LATEST
WHOLE = "whole"

# Seconds. An answer takes some milliseconds, its stages less; the time limit is two seconds.
_STAGE_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
_REQUEST_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class Serving:
    """Which build answers, as the worker that is asked sees it."""

    build: str
    switched: float | None  # when the index last got another build, in seconds since 1970
    previous: bool  # whether it is not the current build, since that is damaged


class Metrics:
    """The counts of one application; of all workers, where several share a folder."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "qa_requests", "Requests, by HTTP status.", ["status"], registry=registry
        )
        self._request_seconds = Histogram(
            "qa_request_seconds",
            "Seconds from a request to its response.",
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self._in_progress = Gauge(
            "qa_requests_in_progress",
            "Requests that are being answered.",
            multiprocess_mode="livesum",  # of the workers that live: a killed one answers nothing
            registry=registry,
        )
        self._answers = Counter(
            "qa_answers",
            "Answers, by how the question was met, and whether by words alone for want of time.",
            ["outcome", "limited"],
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "qa_stage_seconds",
            "Seconds of each run of a stage; a long message runs some of them many times. "
            "`whole` is the whole answer, waiting included.",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self._errors = Counter(
            "qa_errors", "Requests that were not answered, by code.", ["code"], registry=registry
        )
        self._reloads = Counter(
            "qa_reloads",
            "Changes to another build without a restart.",
            ["result"],
            registry=registry,
        )

    def started(self) -> None:
        """Count a request as being answered."""
        self._in_progress.inc()

    def ended(self, status: int, seconds: float) -> None:
        """Count a request as answered."""
        self._in_progress.dec()
        self._requests.labels(str(status)).inc()
        self._request_seconds.observe(seconds)

    def answered(self, answer: Answer, seconds: float) -> None:
        """Count an answer, by its outcome alone."""
        self._answers.labels(answer.outcome, "true" if answer.limited else "false").inc()
        self.staged(WHOLE, seconds)

    def staged(self, stage: str, seconds: float) -> None:
        """Take down how long a stage took."""
        self._stage_seconds.labels(stage).observe(seconds)

    def refused(self, code: str) -> None:
        """Count an error."""
        self._errors.labels(code).inc()

    def reloaded(self, well: bool) -> None:
        """Count a change to another build, or one that failed."""
        self._reloads.labels("ok" if well else "failed").inc()

    def text(self, serving: Serving | None) -> bytes:
        """Return all metrics of all workers as Prometheus reads them.

        Args:
            serving: None where no index serves.
        """
        registry = self._registry
        if os.environ.get(METRICS_FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_of_build(serving))


def worker_ended(pid: int) -> None:
    """Take a worker that has ended out of what is summed over the living."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _of_build(serving: Serving | None) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Build(serving))
    return registry


class _Build(Collector):
    """Read when asked: a build that is replaced must leave no series behind."""

    def __init__(self, serving: Serving | None) -> None:
        self._serving = serving

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield whether a build serves, which, and since when."""
        ready = self._serving is not None
        yield GaugeMetricFamily("qa_ready", "Whether an index serves.", value=float(ready))
        if self._serving is None:
            return
        info = GaugeMetricFamily("qa_build_info", "The build that serves.", labels=["build"])
        info.add_metric([self._serving.build], 1)
        yield info
        if self._serving.switched is not None:
            yield GaugeMetricFamily(
                "qa_build_age_seconds",
                "Seconds since the index last got another build.",
                value=max(0.0, time.time() - self._serving.switched),
            )
        yield GaugeMetricFamily(
            "qa_build_is_previous",
            "Whether the previous build serves, since the current one is damaged.",
            value=float(self._serving.previous),
        )

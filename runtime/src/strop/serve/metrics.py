"""Figures of a server for Prometheus, at `/metrics`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from strop.errors import StropError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from strop.serve.admission import Admission
    from strop.serve.counting import Counting
    from strop.serve.repository import Repository

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


class Metrics:
    """Counts requests; reads the rest from the server when it is asked.

    Labels come from the server's own routes and models, never from a request: anybody could fill
    the memory with new ones.
    """

    def __init__(
        self, repository: Repository, admission: Admission, counting: Counting | None = None
    ) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "strop_requests", "Requests answered.", ("endpoint", "status"), registry=registry
        )
        self._seconds = Histogram(
            "strop_request_seconds",
            "From the headers of a request to the end of its answer.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        registry.register(_Inside(repository, admission, counting))

    def count(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            endpoint: the name of the route.
            status: of the answer.
            seconds: it took.
        """
        known = self._known.get((endpoint, status))
        if known is None:
            known = self._requests.labels(endpoint, status), self._seconds.labels(endpoint)
            self._known[endpoint, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def text(self) -> bytes:
        """Return all figures in Prometheus's text format."""
        return generate_latest(self._registry)


class _Inside:
    """Figures of the moment: they are read when Prometheus asks."""

    def __init__(
        self, repository: Repository, admission: Admission, counting: Counting | None
    ) -> None:
        self._repository = repository
        self._admission = admission
        self._counting = counting

    def collect(self) -> Iterator[Metric]:
        inside = GaugeMetricFamily("strop_requests_inside", "Requests being answered.")
        inside.add_metric([], self._admission.inside)
        yield inside
        held = GaugeMetricFamily("strop_body_bytes", "Bytes of the bodies of these requests.")
        held.add_metric([], self._admission.held_bytes)
        yield held
        for what, text in (
            ("requests", "Requests that the model answered."),
            ("samples", "Samples in these requests."),
            ("calls", "Calls of the model; one may have several requests."),
            ("failed", "Requests that failed in the model."),
        ):
            family = CounterMetricFamily(f"strop_model_{what}", text, labels=("model", "version"))
            for name, served in self._repository:
                if served is not None:
                    for version, counts in list(served.counts.items()):
                        family.add_metric([name, str(version)], getattr(counts, what))
            yield family
        if self._counting is not None:
            yield self._counted(self._counting)

    def _counted(self, counting: Counting) -> Metric:
        text = "Samples that the model has counted, for strop drift; those of its bundle."
        family = CounterMetricFamily("strop_counted_samples", text, labels=("model", "version"))
        for name, served in self._repository:
            if served is not None:
                with contextlib.suppress(StropError):  # it was unloaded, or counts no more
                    counts = counting.of(name)
                    family.add_metric([name, str(counts.model_version)], counts.samples)
        return family

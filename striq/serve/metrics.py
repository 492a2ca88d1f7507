"""Metrics for Prometheus; gauges of the queue are read from it when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from striq.serve.disk import DiskBounds
from striq.serve.outbox import Outbox
from striq.serve.queue import Queue

SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """Counters and histograms of the service since its start."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"striq_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str) -> Histogram:
            return Histogram(f"striq_{name}_seconds", text, registry=self.registry, buckets=SECONDS)

        self.received = counter("objects_received", "Objects taken into the queue.", "origin")
        self.duplicates = counter("objects_duplicate", "Objects that were in the queue already.", "origin")
        self.refused = counter("objects_refused", "Objects that were not taken.", "origin", "reason")
        self.associations = counter("associations_refused", "Associations that were refused or failed.", "reason")
        self.scored = counter("objects_scored", "Objects that were scored.")
        self.frames = counter("frames", "Frames of reported studies, by the plane they show.", "plane")
        self.accepted = counter("frames_accepted", "Accepted frames of reported studies.", "plane")
        self.studies = counter("studies_reported", "Reports of studies that were written.")
        self.crashes = counter("worker_crashes", "Worker processes that ended while they worked.")
        self.sent = counter("items_sent", "Reports and messages that were sent.", "destination", "kind")
        self.send_errors = counter("send_errors", "Attempts to send that failed.", "destination", "reason")
        self.scoring_time = histogram("scoring", "Time that an object took to score.")
        self.report_latency = histogram("report_latency", "Time from the last object of a study to its reports.")
        self.send_latency = histogram("send_latency", "Time from a report to its arrival at a destination.")

    def watch(self, queue: Queue, outbox: Outbox, disk: DiskBounds) -> None:
        """Add gauges of the queue."""
        self.registry.register(_Gauges(queue, outbox, disk))


class _Gauges(Collector):
    """Numbers that are in the database."""

    def __init__(self, queue: Queue, outbox: Outbox, disk: DiskBounds) -> None:
        self.queue, self.outbox, self.disk = queue, outbox, disk

    def describe(self) -> Iterable[Metric]:
        """Return no metric, so that registering needs no query."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield the gauges."""
        objects = GaugeMetricFamily("striq_queue_objects", "Objects by state.", labels=["state"])
        for state, count in self.queue.counts().items():
            objects.add_metric([state], count)
        yield objects
        items = GaugeMetricFamily("striq_outbox_items", "Items by state.", labels=["destination", "state"])
        for (destination, state), count in self.outbox.counts().items():
            items.add_metric([destination, state], count)
        yield items
        yield GaugeMetricFamily("striq_objects_bytes", "Bytes of the objects that are kept.", self.disk.bytes_kept)

"""What Prometheus reads of a server process."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sightgrid.wire.receipts import Receipt


class ServerMetrics:
    """Counters of one process, in a registry of their own so that tests don't share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.receipts = Counter(
            "sightgrid_receipts",
            "Records answered, by status",
            ["status"],
            registry=self.registry,
        )
        self.batch_secs = Histogram(
            "sightgrid_ingest_batch_seconds",
            "Time from reading one body of records to its receipts, waiting included",
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10),
            registry=self.registry,
        )
        self.busy = Counter(
            "sightgrid_ingest_busy",
            "Bodies told to come again, because the server was busy",
            registry=self.registry,
        )
        self.listeners = Gauge(
            "sightgrid_event_listeners", "Live event streams that are open", registry=self.registry
        )

    def count(self, receipts: Iterable[Receipt]) -> None:
        """Counts the answers of one body."""
        for receipt in receipts:
            self.receipts.labels(receipt.status).inc()

"""The gateway's own numbers, in Prometheus's form, on a local port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collector.gateway.exceptions import ListenError
from collector.inbox import Usage

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """All counters of this process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = self._counter("answers", "Requests answered, by route and status.", "route", "status")
        self.refusals = self._counter("refusals", "Requests refused, by code.", "code")
        self.handshakes = self._counter("tls_handshake_failures", "TLS handshakes refused, by kind.", "kind")
        self.cut = self._counter("connections_cut", "Connections ended early, by reason.", "reason")
        self.blocks = self._counter(
            "blocks", "Blocks judged: stored, duplicate, or the code of refusal.", "verdict"
        )
        self.quarantines = self._counter("quarantines", "Agents reported for quarantine, by code.", "code")
        self.events = self._counter("events", "Events stored.")
        self.lost = self._counter("lost_events", "Events in newly declared gaps.")
        self.bytes = self._counter("batch_bytes", "Bytes of batches read.")
        self.append = Histogram(
            "lienphong_gateway_append_seconds",
            "From a checked batch to its durable append.",
            buckets=BUCKETS,
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"lienphong_gateway_{name}", text, labels, registry=self.registry)

    def observe(self, gauges: Callable[[], dict[str, float]], usage: Callable[[], Usage]) -> None:
        """Have the given conditions read whenever the metrics are asked for."""
        self.registry.register(_Conditions(gauges, usage))

    def serve(self, port: int) -> Callable[[], None]:
        """Show them at 127.0.0.1:`port`, from a thread of its own; call what is returned to stop.

        Raises:
            ListenError: the port is taken.
        """
        try:
            server, thread = start_http_server(port, "127.0.0.1", self.registry)
        except OSError as error:
            raise ListenError(f"metrics_port {port}: cannot listen: {error.strerror}") from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop


class _Conditions(Collector):
    def __init__(self, gauges: Callable[[], dict[str, float]], usage: Callable[[], Usage]) -> None:
        self._gauges, self._usage = gauges, usage

    def collect(self) -> Iterator[Metric]:
        """What is the case now."""
        usage = self._usage()
        now = {"inbox_bytes": usage.bytes, "inbox_blocks": usage.blocks, "inbox_head": usage.head} | self._gauges()
        for name, value in now.items():
            yield GaugeMetricFamily(f"lienphong_gateway_{name}", name.replace("_", " "), value)
        lag = GaugeMetricFamily(
            "lienphong_gateway_consumer_lag_blocks",
            "Blocks that a consumer has yet to finish.",
            labels=["consumer"],
        )
        for consumer, seq in usage.done.items():
            lag.add_metric([consumer], usage.head - seq)
        yield lag

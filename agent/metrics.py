"""Prometheus metrics on 127.0.0.1, read from the agent's counts when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agent.status import Status
from agent.tally import Tally

Stop = Callable[[], None]

ADDRESS = "127.0.0.1"
PREFIX = "lienphong_agent_"


class Counter(NamedTuple):
    """A counter of the tally, as Prometheus shows it."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


COUNTERS = (
    Counter("events", "Events taken from sensors.", ("sensor", "lane")),
    Counter("lost_events", "Events lost, by why.", ("reason",)),
    Counter("sensor_counts", "What sensors count themselves.", ("sensor", "count")),
    Counter("sensor_restarts", "Starts of a sensor after it failed.", ("sensor",)),
    Counter("spool_full", "Tries to write the spool to a disk that took nothing."),
    Counter("spool_replaced", "Times the spool file was unusable and began anew."),
    Counter("uplink_batches", "Batches sent, by what became of them.", ("outcome",)),
    Counter("uplink_bytes", "Bytes of batches sent."),
    Counter("uplink_refused_blocks", "Blocks the collector will never take, by why.", ("code",)),
)
"""Their names in the tally; here they are prefixed, and end in `_total`."""

GAUGES = {
    "spool_bytes": "Packed bytes waiting for the collector.",
    "spool_max_bytes": "Packed bytes the spool may hold.",
    "spool_blocks": "Blocks waiting, by lane.",
    "sensor_up": "Whether a sensor runs, by sensor.",
    "uplink_connected": "Whether the last batch was delivered.",
    "last_delivery_timestamp_seconds": "When the collector last took a batch; 0 for never.",
    "clock_offset_seconds": "The collector's clock minus ours.",
    "certificate_expiry_timestamp_seconds": "When our certificate ends.",
    "start_timestamp_seconds": "When the agent started.",
}


class _Source:
    """The registry's one collector."""

    def __init__(self, tally: Tally, describe: Callable[[], Status]) -> None:
        self._tally = tally
        self._describe = describe

    def collect(self) -> Iterable[Metric]:
        yield from self._counters()
        yield from _gauges(self._describe())

    def _counters(self) -> Iterator[Metric]:
        for name, text, labels in COUNTERS:
            family = CounterMetricFamily(PREFIX + name, text, labels=labels)
            values = self._tally.read(name) or ({} if labels else {(): 0})
            for label_values, value in values.items():
                family.add_metric(label_values, value)
            yield family


def registry(tally: Tally, describe: Callable[[], Status]) -> CollectorRegistry:
    """A registry with our metrics and nothing else."""
    own = CollectorRegistry(auto_describe=False)
    own.register(_Source(tally, describe))
    return own


def serve(port: int, source: CollectorRegistry) -> Stop:
    """Answer `GET /metrics` on 127.0.0.1:`port` until the returned function is called.

    Raises:
        OSError: the port is taken.
    """
    server, thread = start_http_server(port, ADDRESS, source)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _gauges(status: Status) -> Iterator[Metric]:
    connected = float(status.phase in ("idle", "delivering"))
    single = {
        "uplink_connected": connected,
        "last_delivery_timestamp_seconds": status.last_success / 1e6,
        "clock_offset_seconds": (status.clock_offset_us or 0) / 1e6,
        "certificate_expiry_timestamp_seconds": status.certificate_until / 1e6,
        "start_timestamp_seconds": status.started / 1e6,
    }
    if status.spool:
        single |= {"spool_bytes": status.spool.bytes, "spool_max_bytes": status.spool.max_bytes}
        yield _labelled("spool_blocks", "lane", {lane: float(n) for lane, n in status.spool.blocks.items()})
    yield _labelled("sensor_up", "sensor", {s.name: float(s.phase == "running") for s in status.sensors})
    for name, value in single.items():
        yield GaugeMetricFamily(PREFIX + name, GAUGES[name], value=value)


def _labelled(name: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, GAUGES[name], labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family

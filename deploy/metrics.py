"""What the process as a whole counts; labels are bounded."""

from collections.abc import Iterable

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streamer.bus import Bus
from streamer.errors import BusError

STORE_FAULTS = Counter(
    "watchword_store_faults_total",
    "Times the store could not take in what a topic held; it is tried again",
    ["topic"],
)
STORE_OVER_BOUND = Counter(
    "watchword_store_over_bound_total",
    "Dead letters and blind periods the store forgot because newer ones needed the room",
    ["kind"],
)
ALERTS_SUPPRESSED = Counter(
    "watchword_alerts_suppressed_total",
    "Alerts that were kept and told to nobody: silence, cooldown",
    ["reason"],
)


class BusLag(Collector):
    """How far the readers of a process are behind, asked of its bus whenever metrics are read."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def describe(self) -> Iterable[Metric]:
        """What it collects, without asking."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """A series for each topic that a group of this process reads; none once it is closed."""
        lags = self._family()
        try:
            for topic, records in self._bus.lags().items():
                lags.add_metric([topic], records)
        except BusError:
            pass  # the broker is away, or the process ends: what is not known is not told
        return [lags]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "watchword_bus_lag_records",
            "Records on a topic that this process's readers have not taken yet",
            labels=["topic"],
        )

"""How far readers are behind is asked of the bus when metrics are read."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from deploy.metrics import BusLag
from streamer.bus import ALERTS, CLIPS, Message
from streamer.errors import BusUnreachableError
from streamer.memory_bus import MemoryBus


def lag(registry: CollectorRegistry, topic: str) -> float | None:
    return registry.get_sample_value("watchword_bus_lag_records", {"topic": topic})


def test_the_lag_of_each_topic_that_is_read_here():
    bus, registry = MemoryBus(), CollectorRegistry()
    registry.register(BusLag(bus))
    assert lag(registry, CLIPS.name) is None
    reader = bus.subscribe(CLIPS.name, "g")
    for number in range(3):
        bus.publish(Message(CLIPS.name, "yard", str(number).encode()))
        bus.publish(Message(ALERTS.name, "yard", b"read elsewhere"))
    assert lag(registry, CLIPS.name) == 3
    assert lag(registry, ALERTS.name) is None
    reader.poll(0.0, max_records=2)
    assert lag(registry, CLIPS.name) == 1


def test_one_server_after_another_in_a_process():
    registry = CollectorRegistry()
    for _ in range(2):
        bus = MemoryBus()
        collector = BusLag(bus)
        registry.register(collector)
        bus.close()
        list(registry.collect())
        registry.unregister(collector)


def test_a_broker_that_is_away_leaves_the_other_metrics_be():
    class Away(MemoryBus):
        def lags(self) -> Mapping[str, int]:
            raise BusUnreachableError("No broker.")

    registry = CollectorRegistry()
    registry.register(BusLag(Away()))
    assert [family.samples for family in registry.collect()] == [[]]

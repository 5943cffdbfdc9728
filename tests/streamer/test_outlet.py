import pytest
from prometheus_client import CollectorRegistry

from streamer.bus import CLIPS, Message
from streamer.errors import BusClosedError
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.outlet import Outlet


def test_what_was_cut_off_is_refused_and_counted():
    bus, registry = MemoryBus(), CollectorRegistry()
    reader = bus.subscribe(CLIPS.name, "g")
    outlet = Outlet("yard", bus, StreamerMetrics(registry))
    for _ in range(CLIPS.capacity + 1):
        dropped = outlet.publish(Message(CLIPS.name, "yard", b"1"), "drop_oldest")
    assert dropped == 1
    assert not outlet.is_cut
    outlet.cut()
    assert outlet.is_cut
    for _ in range(2):
        with pytest.raises(BusClosedError, match="Camera yard was left behind"):
            outlet.publish(Message(CLIPS.name, "yard", b"2"))
    assert {record.value for record in reader.poll(0.0)} == {b"1"}
    assert registry.get_sample_value("watchword_stream_publishes_refused_total") == 2
    bus.close()

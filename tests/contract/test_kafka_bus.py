import threading
from collections.abc import Iterator

import pytest

from streamer.bus import Bus
from streamer.errors import BusRefusedError
from streamer.kafka_bus import KafkaBus
from streamer.kafka_options import KafkaOptions
from streamer.kafka_settings import MAX_MESSAGE_BYTES
from tests.contract.bus_contract import NEWS, PARTITIONS, TOPICS, BusContract, drain, say, texts
from tests.kafka_broker import KafkaBroker


class TestKafkaBus(BusContract):
    NOT_YET = 1.0

    @pytest.fixture
    def bus(self, kafka: KafkaBroker, topic_prefix: str) -> Iterator[Bus]:
        options = KafkaOptions(
            bootstrap_servers=kafka.bootstrap_servers,
            topic_prefix=topic_prefix,
            partitions=PARTITIONS,
            session_timeout_seconds=6.0,
        )
        bus = KafkaBus(options, TOPICS)
        yield bus
        bus.close()

    def test_messages_refused_in_another_thread_break_no_order(self, bus: Bus) -> None:
        too_large = say(NEWS, "big", "x" * (MAX_MESSAGE_BYTES + 1))
        refused, enough = threading.Event(), threading.Event()

        def refuse() -> None:
            while not enough.is_set():
                with pytest.raises(BusRefusedError, match="does not store a message"):
                    bus.publish(too_large)
                refused.set()

        thread = threading.Thread(target=refuse)
        thread.start()
        assert refused.wait(self.SOON)
        wanted = [str(i) for i in range(100)]
        for first in range(0, len(wanted), 20):
            bus.publish_all([say(NEWS, "k", text) for text in wanted[first : first + 20]])
        enough.set()
        thread.join()
        assert texts(drain(bus.subscribe(NEWS.name), len(wanted))) == wanted

from collections.abc import Iterator

import pytest

from streamer.bus import Bus
from streamer.kafka_bus import KafkaBus
from streamer.kafka_options import KafkaOptions
from tests.contract.bus_contract import PARTITIONS, TOPICS, BusContract
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

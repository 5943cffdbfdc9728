"""One bus of two keeps the contract wherever its topics are, but for commits across the two."""

from collections.abc import Collection

import pytest

from streamer.bus import Bus
from streamer.memory_bus import MemoryBus
from streamer.split_bus import SplitBus
from tests.contract.bounded_bus_contract import BoundedBusContract
from tests.contract.bus_contract import PARTITIONS, TOPICS

NAMES = frozenset(topic.name for topic in TOPICS)


class TestSplitBus(BoundedBusContract):
    @pytest.fixture(params=[NAMES, frozenset()], ids=["all in memory", "all on Kafka"])
    def bus(self, request: pytest.FixtureRequest) -> Bus:
        in_memory: Collection[str] = request.param
        return SplitBus(
            MemoryBus(TOPICS, PARTITIONS), MemoryBus(TOPICS, PARTITIONS), in_memory=in_memory
        )

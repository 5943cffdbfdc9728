import pytest

from streamer.bus import Bus
from streamer.memory_bus import MemoryBus
from tests.contract.bus_contract import PARTITIONS, TOPICS, BusContract


class TestMemoryBus(BusContract):
    @pytest.fixture
    def bus(self) -> Bus:
        return MemoryBus(TOPICS, PARTITIONS)

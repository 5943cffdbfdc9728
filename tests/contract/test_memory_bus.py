import pytest

from streamer.bus import Bus
from streamer.memory_bus import MemoryBus
from tests.contract.bounded_bus_contract import BoundedBusContract
from tests.contract.bus_contract import PARTITIONS, TOPICS


class TestMemoryBus(BoundedBusContract):
    @pytest.fixture
    def bus(self) -> Bus:
        return MemoryBus(TOPICS, PARTITIONS)

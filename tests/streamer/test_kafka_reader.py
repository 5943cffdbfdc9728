"""What a reader does with what kafka-python tells it, without a broker."""

from collections.abc import Iterable

import pytest

from streamer import kafka_reader
from streamer.bus import Partitions, Position, Record
from streamer.kafka_consumer import Consumer
from streamer.kafka_options import KafkaOptions
from streamer.kafka_reader import KafkaReader

OPTIONS = KafkaOptions(bootstrap_servers=("one:9092",))


class ScriptedCluster:
    def ends(self, topic: str, partitions: Partitions) -> dict[int, int]:
        return dict.fromkeys(partitions, 9)

    def remove_member(self, group: str, member: str) -> None: ...


class ScriptedConsumer(Consumer):
    """Says these positions, one after the other; the last for ever."""

    is_stable = is_connected = True

    def __init__(self, positions: Iterable[int | None]) -> None:
        self._options, self._topic = OPTIONS, "test.in"
        self._positions = list(positions)

    def position(self, partition: int, timeout: float = 1.0) -> int | None:
        return self._positions.pop(0) if len(self._positions) > 1 else self._positions[0]

    def committed(self, partition: int) -> Position | None:
        return None

    def poll(self, timeout: float, max_records: int) -> dict[int, list[Record]]:
        return {}

    def pause(self, partitions: Partitions) -> None: ...

    def resume(self, partitions: Partitions) -> None: ...


def test_a_position_that_nobody_says_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """To take it for 0 would have the next commit store 0, where others left off at 7."""
    monkeypatch.setattr(kafka_reader, "PAUSE_SECONDS", 0.0)
    reader = KafkaReader(OPTIONS, ScriptedCluster(), "test.in", "readers")
    consumer = ScriptedConsumer([None, 7])
    reader.on_gained(frozenset({0}))
    reader._step(consumer)
    assert reader.assignment.next_change is None
    reader._step(consumer)
    assert reader.assignment.next_change is not None
    assert reader.buffer.position(0) == 7

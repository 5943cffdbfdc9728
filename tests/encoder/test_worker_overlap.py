"""Batches are gathered while others are encoded, and nothing else changes."""

from collections import Counter
from collections.abc import Iterator
from threading import Event

import pytest

from encoder.config import EncoderConfig
from encoder.errors import EngineError
from encoder.worker import GROUP, EncoderWorker
from streamer.bus import CLIPS, DEAD_LETTERS, EMBEDDINGS, Message, Record
from streamer.errors import CommitLostError
from streamer.memory_bus import MemoryBus
from tests.encoder.device import FIRST, SECOND, Gate, Running, Watched, embedded, publish


@pytest.fixture
def bus() -> Iterator[Watched]:
    bus = Watched()
    yield bus
    bus.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.let()


def test_the_next_batch_is_gathered_while_one_is_on_the_device(bus: Watched, gate: Gate) -> None:
    with Running(bus, gate).past_trial(bus, gate):
        publish(bus, FIRST, 1, 2)
        gate.await_batches(3)
        publish(bus, FIRST, 3)
        bus.await_polled(5)  # while the batch before is still there
        publish(bus, FIRST, 4)
        bus.await_polled(6)
        assert len(gate.batches) == 3
        gate.let(3)
        gate.await_batches(4)
        assert gate.batches[-1] == [3, 4]
        assert embedded(bus)[FIRST, 4] == 0


def test_no_more_is_gathered_than_the_next_batch(bus: Watched, gate: Gate) -> None:
    with Running(bus, gate).past_trial(bus, gate):
        publish(bus, FIRST, *range(1, 10))
        bus.await_polled(2 + 2 + 2)
        gate.await_batches(3)
        assert len(bus.polled) == 2 + 2 + 2  # one flies, one is ready
        gate.let(3)
        bus.await_polled(2 + 2 + 2 + 2)
        gate.await_batches(4)
        assert len(bus.polled) == 2 + 2 + 2 + 2


def test_a_batch_sets_off_before_the_one_before_is_committed(bus: Watched, gate: Gate) -> None:
    with Running(bus, gate).past_trial(bus, gate):
        bus.on_commit = lambda: gate.await_batches(4) if len(gate.batches) > 2 else None
        publish(bus, FIRST, 1, 2)
        gate.await_batches(3)
        publish(bus, FIRST, 3, 4)
        bus.await_polled(6)
        gate.let(3)
        gate.await_batches(4)
    offsets = [commit[0] for commit in bus.committed if commit.get(0, 0) > 1]
    assert offsets == [3, 5]  # and their order stays


def test_of_a_partition_that_goes_away_nothing_in_flight_is_committed(
    bus: Watched, gate: Gate
) -> None:
    with Running(bus, gate).past_trial(bus, gate):
        publish(bus, SECOND, 1)
        publish(bus, FIRST, 1)
        gate.await_batches(3)
        rival = bus.subscribe(CLIPS.name, GROUP)
        given: list[Record] = []
        while not given:  # it asks until the worker lets go, which still has clips in flight
            given += rival.poll(0.01)
        assert [record.key for record in given] == [SECOND]
        rival.commit([Message(EMBEDDINGS.name, SECOND, packed(SECOND, 1))])
        publish(bus, FIRST, 2, 3)
        gate.let()
        gate.await_batches(4)
        rival.close()
    everything = [(SECOND, 0), (SECOND, 1), *((FIRST, index) for index in range(4))]
    assert embedded(bus) == Counter(everything)


def packed(camera: str, index: int) -> bytes:
    """The embedding another encoder makes of a clip."""
    other = MemoryBus(partitions=2)
    publish(other, camera, index)
    other.finish(CLIPS.name)
    gate = Gate()
    gate.let()
    reader = other.subscribe(EMBEDDINGS.name)
    EncoderWorker(other, gate, EncoderConfig()).run(Event())
    (record,) = reader.poll(0.0)
    return record.value or b""


def test_a_partition_gained_is_tried_with_nothing_in_flight(bus: Watched, gate: Gate) -> None:
    with Running(bus, gate).past_trial(bus, gate):
        rival = bus.subscribe(CLIPS.name, GROUP)
        while not rival.assigned:
            rival.poll(0.01)
        publish(bus, FIRST, 1, 2)
        gate.await_batches(3)
        publish(bus, FIRST, 3)
        bus.await_polled(5)
        rival.close()
        publish(bus, SECOND, 7)
        bus.await_polled(6)
        gate.let()
        gate.await_batches(5)
    assert gate.batches[2:] == [[1, 2], [7], [3]]
    # What flew, the note, what was tried alone, the others
    assert bus.committed[4:] == [{0: 3}, {1: 1}, {1: 2}, {0: 4, 1: 2}]


def test_what_was_in_flight_is_committed_at_a_stop(bus: Watched, gate: Gate) -> None:
    running = Running(bus, gate)
    with running.past_trial(bus, gate):
        publish(bus, FIRST, 1, 2, 3)
        bus.await_polled(5)
        gate.await_batches(3)
        running.stop.set()
        assert bus.ended == []
        gate.let(3)
        running.join()
    assert running.error is None
    assert gate.batches[2:] == [[1, 2]]
    assert [embedded(bus)[FIRST, index] for index in range(4)] == [1, 1, 1, 0]
    assert bus.ended == [EMBEDDINGS.name]


def test_an_unexpected_fault_in_flight_ends_the_worker(bus: Watched, gate: Gate) -> None:
    running = Running(bus, gate)
    with running.past_trial(bus, gate):
        publish(bus, FIRST, 1, 2)
        gate.await_batches(3)
        publish(bus, FIRST, 3, 4)
        bus.await_polled(6)
        gate.error = MemoryError()
        gate.let()
        running.join()
    assert isinstance(running.error, MemoryError)
    assert len(gate.batches) == 3
    assert set(embedded(bus)) == {(FIRST, 0), (SECOND, 0)}
    assert bus.ended == []


def test_a_card_that_fails_in_flight_ends_the_worker_and_no_clip_is_put_aside(
    bus: Watched, gate: Gate
) -> None:
    running = Running(bus, gate)
    with running.past_trial(bus, gate):
        publish(bus, FIRST, 1, 2)
        gate.await_batches(3)
        gate.error = EngineError("the card fails")
        gate.let()
        running.join()
    assert isinstance(running.error, EngineError)
    assert gate.batches[2:] == [[1, 2]]  # and neither of them alone
    assert set(embedded(bus)) == {(FIRST, 0), (SECOND, 0)}
    letters = bus.subscribe(DEAD_LETTERS.name)
    assert not letters.poll(0.0)
    letters.close()
    assert bus.ended == []


def test_a_bus_that_closes_waits_for_no_commit(bus: Watched, gate: Gate) -> None:
    running = Running(bus, gate)
    with running.past_trial(bus, gate):
        publish(bus, FIRST, 1, 2)
        gate.await_batches(3)
        bus.close()
        gate.let()
        running.join()
    assert running.error is None
    assert bus.ended == []


def test_after_a_lost_commit_what_is_in_flight_is_encoded_anew(bus: Watched, gate: Gate) -> None:
    def lose() -> None:
        if len(gate.batches) > 2:
            gate.await_batches(4)
            bus.on_commit = lambda: None
            raise CommitLostError("The commit was lost.")

    with Running(bus, gate).past_trial(bus, gate) as running:
        bus.on_commit = lose
        publish(bus, FIRST, 1, 2)
        gate.await_batches(3)
        publish(bus, FIRST, 3, 4)
        bus.await_polled(6)
        gate.let(3)
        gate.await_batches(4)
        gate.let()
        bus.finish(CLIPS.name)
        running.join()
    assert gate.batches[2:4] == [[1, 2], [3, 4]]
    assert gate.batches[4] == [1]  # alone: its partition is new to this membership
    assert embedded(bus) == Counter([*((FIRST, i) for i in range(5)), (SECOND, 0)])

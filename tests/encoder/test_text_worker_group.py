"""Encoders that share the queries, and what one finds that begins where another left off."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Event

import msgspec
import pytest
from prometheus_client import REGISTRY

from encoder.space import EmbeddingSpace
from encoder.text_features_record import QueryFeatures, unpack_text_features
from encoder.text_worker import TextFeaturesWorker
from streamer.bus import (
    DEAD_LETTERS,
    QUERIES,
    QUERY_FEATURES,
    Message,
    Position,
    Subscription,
    partition_of,
)
from streamer.errors import CommitLostError
from streamer.memory_bus import MemoryBus
from tests.encoder.models import SPACE
from tests.encoder.test_text_worker import Lengths

FIRST, SECOND = (
    next(q for q in ("q1", "q2", "q3", "q4", "q5") if partition_of(q, 2) == p) for p in (0, 1)
)


class ElsewhereLengths(Lengths):
    space: EmbeddingSpace = replace(SPACE, model="another")


class Worker:
    """A worker in a thread of its own."""

    def __init__(self, bus: MemoryBus, encoder: Lengths | None = None) -> None:
        self.encoder = encoder or Lengths()
        self.worker = TextFeaturesWorker(bus, self.encoder)
        self.stop = Event()
        self._thread = threading.Thread(target=self.worker.run, args=(self.stop,))
        self._thread.start()

    def wait_until_ready(self) -> "Worker":
        wait(lambda: self.worker.ready)
        return self

    def leave(self) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert not self.worker.ready


def wait(is_so: Callable[[], object]) -> None:
    deadline, pause = time.monotonic() + 20, Event()
    while not is_so():
        assert time.monotonic() < deadline
        pause.wait(0.005)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encoder.text_worker.POLL_SECONDS", 0.02)


@pytest.fixture
def bus() -> Iterator[MemoryBus]:
    bus = MemoryBus(partitions=2)
    yield bus
    bus.close()


@pytest.fixture
def start(bus: MemoryBus) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(encoder: Lengths | None = None) -> Worker:
        started.append(Worker(bus, encoder))
        return started[-1]

    yield start
    for worker in started:
        worker.leave()


def say(bus: MemoryBus, query_id: str, text: str | None, version: int = 1) -> None:
    record = {"query_id": query_id, "text": text, "version": version}
    value = None if text is None else msgspec.json.encode(record)
    bus.publish(Message(QUERIES.name, query_id, value))


def lying(bus: MemoryBus) -> dict[str, QueryFeatures]:
    reader, features = bus.subscribe(QUERY_FEATURES.name), {}
    while not reader.caught_up:
        for record in reader.poll(0.01):
            features.pop(record.key, None)
            if record.value is not None:
                features[record.key] = unpack_text_features(record.value)
    reader.close()
    return features


def test_two_share_the_queries_and_one_leaves(bus: MemoryBus, start: Callable[..., Worker]) -> None:
    one = start().wait_until_ready()
    two = start()
    # One that has nothing yet is ready as well
    wait(lambda: two.worker._done and one.worker.ready and two.worker.ready)
    say(bus, FIRST, "a car")
    say(bus, SECOND, "a bus")
    wait(lambda: len(lying(bus)) == 2)
    assert (one.encoder.texts, two.encoder.texts) == (["a car"], ["a bus"])
    one.leave()
    say(bus, FIRST, "a truck", version=2)
    wait(lambda: lying(bus)[FIRST].version == 2)
    assert two.encoder.texts == ["a bus", "a truck"]  # and not the car again
    two.wait_until_ready()


def test_what_lies_there_is_not_encoded_again(bus: MemoryBus, start: Callable[..., Worker]) -> None:
    say(bus, FIRST, "a car", version=3)
    start().wait_until_ready().leave()
    again = start().wait_until_ready()
    assert lying(bus)[FIRST].texts == ("a car",)
    assert again.encoder.calls == []


def test_a_problem_is_tried_again_and_not_told_twice(
    bus: MemoryBus, start: Callable[..., Worker]
) -> None:
    say(bus, FIRST, " ")
    start().wait_until_ready().leave()
    reader = bus.subscribe(QUERY_FEATURES.name)
    assert len(reader.poll(0.01)) == 1
    again = start().wait_until_ready()
    assert again.encoder.texts == [" "]
    assert reader.poll(0.01) == []
    say(bus, FIRST, "a dog")  # declared again, as version 1
    wait(lambda: lying(bus)[FIRST].texts == ("a dog",))


@pytest.mark.parametrize("other", ["space", "damaged"])
def test_features_of_no_use_are_made_anew_or_removed(
    bus: MemoryBus, start: Callable[..., Worker], other: str
) -> None:
    if other == "space":
        say(bus, FIRST, "a car")
        say(bus, SECOND, "a bus")
        start(ElsewhereLengths()).wait_until_ready().leave()
    else:
        for query_id in (FIRST, SECOND):
            bus.publish(Message(QUERY_FEATURES.name, query_id, b"?"))
    say(bus, FIRST, "a car")
    say(bus, SECOND, None)
    start().wait_until_ready()
    assert list(lying(bus)) == [FIRST]
    assert lying(bus)[FIRST].space_id == SPACE.id


def test_features_of_a_query_of_which_nothing_is_left_are_removed(
    bus: MemoryBus, start: Callable[..., Worker]
) -> None:
    say(bus, FIRST, "a car")
    say(bus, SECOND, "a bus")
    start().wait_until_ready().leave()
    orphaned = MemoryBus(partitions=2)  # where even the removal was compacted away
    reader = bus.subscribe(QUERY_FEATURES.name)
    for record in reader.poll(0.01):
        orphaned.publish(Message(QUERY_FEATURES.name, record.key, record.value))
    say(orphaned, SECOND, "a bus")
    worker = Worker(orphaned).wait_until_ready()
    assert list(lying(orphaned)) == [SECOND]
    assert worker.encoder.calls == []
    worker.leave()
    orphaned.close()


def test_what_is_no_query_is_put_aside_once(bus: MemoryBus, start: Callable[..., Worker]) -> None:
    letters = bus.subscribe(DEAD_LETTERS.name)
    bus.publish(Message(QUERIES.name, FIRST, b"?"))
    start().wait_until_ready().leave()
    assert len(letters.poll(0.01)) == 1
    start().wait_until_ready().leave()
    assert letters.poll(0.01) == []
    bus.publish(Message(QUERIES.name, FIRST, b"??"))
    start().wait_until_ready()
    assert len(letters.poll(0.01)) == 1


def test_after_a_lost_commit_it_begins_anew(bus: MemoryBus, start: Callable[..., Worker]) -> None:
    lost: list[int] = []
    subscribe = bus.subscribe

    def losing(topic, group=None, rebalance=None, partitions=None) -> Subscription:
        subscription = subscribe(topic, group, rebalance, partitions)
        commit = subscription.commit

        def commit_once(outputs: Iterable[Message] = (), positions: Position | None = None):
            if topic == QUERIES.name and not lost:
                lost.append(1)
                raise CommitLostError("They went elsewhere.")
            commit(outputs, positions)

        subscription.commit = commit_once
        return subscription

    bus.subscribe = losing  # type: ignore[method-assign]
    labels = {"stage": "query_texts"}
    name = "watchword_commits_lost_total"
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    say(bus, FIRST, "a car")
    worker = start().wait_until_ready()
    assert lying(bus)[FIRST].texts == ("a car",)
    assert worker.encoder.texts == ["a car", "a car"]
    assert REGISTRY.get_sample_value(name, labels) == before + 1

"""What the store cannot take waits on its topic."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest

from deploy import topic_reader
from deploy.errors import StoreFullError
from deploy.metrics import STORE_FAULTS
from deploy.topic_reader import TopicReader
from streamer.bus import ALERTS, DEAD_LETTERS, HEALTH, Message, Position, Record, Topic
from streamer.errors import CommitLostError, RecordError
from streamer.memory_bus import MemoryBus
from streamer.memory_subscription import MemorySubscription
from streamer.metrics import DEAD_LETTER_COUNT


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_reader, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(topic_reader, "POLL_SECONDS", 0.01)


def faults() -> float:
    return STORE_FAULTS.labels(ALERTS.name)._value.get()


def test_records_are_stored_in_order_until_the_topic_is_finished():
    bus, taken = MemoryBus(), []
    reader = TopicReader(bus, ALERTS, taken.extend)
    for number in range(5):
        bus.publish(Message(ALERTS.name, "yard", str(number).encode()))
    bus.finish(ALERTS.name)
    reader.run(threading.Event())
    assert [record.value for record in taken] == [b"0", b"1", b"2", b"3", b"4"]


def test_what_the_store_cannot_take_is_tried_again_and_counted():
    bus, taken, before = MemoryBus(), [], faults()

    def take(records):
        if faults() < before + 3:
            raise StoreFullError("The disk is full.")
        taken.extend(records)

    reader = TopicReader(bus, ALERTS, take)
    bus.publish(Message(ALERTS.name, "yard", b"1"))
    bus.finish(ALERTS.name)
    reader.run(threading.Event())
    assert [record.value for record in taken] == [b"1"]
    assert faults() == before + 3


def test_a_stop_ends_it_while_the_store_cannot():
    bus, stop, tried = MemoryBus(), threading.Event(), threading.Event()

    def take(_records):
        tried.set()
        raise StoreFullError("The disk is full.")

    reader = TopicReader(bus, ALERTS, take)
    bus.publish(Message(ALERTS.name, "yard", b"1"))
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    assert tried.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_closed_bus_ends_it():
    bus = MemoryBus()
    reader = TopicReader(bus, ALERTS, lambda records: None)
    bus.close()
    reader.run(threading.Event())


def test_an_unexpected_error_is_raised():
    bus = MemoryBus()

    def take(_records):
        raise ZeroDivisionError

    reader = TopicReader(bus, ALERTS, take)
    bus.publish(Message(ALERTS.name, "yard", b"1"))
    with pytest.raises(ZeroDivisionError):
        reader.run(threading.Event())


def say(topic: Topic, *texts: str) -> list[Message]:
    return [Message(topic.name, "yard", text.encode()) for text in texts]


def only_numbers(taken: list[str]) -> Callable[[Sequence[Record]], None]:
    """Takes all records of a call, or none of them."""

    def take(records: Sequence[Record]) -> None:
        texts = [(record.value or b"").decode() for record in records]
        if not all(text.isdigit() for text in texts):
            raise RecordError(f"One of {texts} is no number.")
        taken.extend(texts)

    return take


def test_what_was_stored_is_not_read_again_and_all_else_is():
    bus, first, second = MemoryBus(), [], []
    stop, full = threading.Event(), threading.Event()

    def take(records: Sequence[Record]) -> None:
        if first:
            stop.set()
            full.set()
            raise StoreFullError("The disk is full.")
        first.extend(record.value for record in records)
        bus.publish_all(say(ALERTS, "2"))

    bus.publish_all(say(ALERTS, "1"))
    reader = TopicReader(bus, ALERTS, take)
    reader.run(stop)
    reader.close()
    assert full.is_set()
    bus.finish(ALERTS.name)
    TopicReader(bus, ALERTS, second.extend).run(threading.Event())
    assert first == [b"1"]
    assert [record.value for record in second] == [b"2"]


def test_several_processes_share_a_topic():
    bus, taken = MemoryBus(), []
    readers = [TopicReader(bus, ALERTS, taken.extend) for _ in range(2)]
    assert not any(reader.ready for reader in readers)
    cameras = [f"camera-{number}" for number in range(50)]
    bus.publish_all([Message(ALERTS.name, camera, b"1") for camera in cameras])
    bus.finish(ALERTS.name)
    threads = [threading.Thread(target=one.run, args=(threading.Event(),)) for one in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(record.key for record in taken) == sorted(cameras)
    assert all(reader.ready for reader in readers)


def test_a_record_of_another_product_is_put_aside_and_the_rest_is_stored():
    bus, taken = MemoryBus(), []
    counted = DEAD_LETTER_COUNT.labels("api")
    before = counted._value.get()
    bus.publish_all(say(ALERTS, "1", "two", "3", "four"))
    bus.finish(ALERTS.name)
    TopicReader(bus, ALERTS, only_numbers(taken)).run(threading.Event())
    assert taken == ["1", "3"]
    letters = bus.subscribe(DEAD_LETTERS.name).poll(1.0)
    assert [letter.value for letter in letters] == [b"two", b"four"]
    headers = dict(letters[0].headers)
    assert (headers["topic"], headers["error"]) == (ALERTS.name.encode(), b"RecordError")
    assert counted._value.get() == before + 2


def test_a_dead_letter_that_cannot_be_read_makes_no_other():
    bus, taken = MemoryBus(), []
    bus.publish_all(say(DEAD_LETTERS, "one", "2"))
    bus.finish(DEAD_LETTERS.name)
    TopicReader(bus, DEAD_LETTERS, only_numbers(taken)).run(threading.Event())
    assert taken == ["2"]


def test_what_came_before_the_end_can_still_be_stored():
    bus, taken, stop = MemoryBus(), [], threading.Event()
    reader = TopicReader(bus, ALERTS, taken.extend)
    stop.set()
    reader.run(stop)
    bus.publish_all(say(ALERTS, *map(str, range(600))))
    reader.drain()
    assert len(taken) == 600
    reader.close()
    reader.drain()


def test_what_the_store_refuses_at_the_end_is_told(caplog: pytest.LogCaptureFixture):
    bus = MemoryBus()

    def take(_records: Sequence[Record]) -> None:
        raise StoreFullError("The disk is full.")

    reader = TopicReader(bus, ALERTS, take)
    bus.publish_all(say(ALERTS, "1"))
    reader.drain()
    assert f"1 records of {ALERTS.name} were not stored" in caplog.text


def test_a_commit_that_came_too_late_begins_anew(monkeypatch: pytest.MonkeyPatch):
    bus, taken, commit = MemoryBus(), [], MemorySubscription.commit
    late = [True]

    def commit_late(
        self: MemorySubscription,
        outputs: Iterable[Message] = (),
        positions: Mapping[int, Position] | None = None,
    ) -> None:
        if late:
            late.clear()
            raise CommitLostError("The partitions went elsewhere.")
        commit(self, outputs, positions)

    monkeypatch.setattr(MemorySubscription, "commit", commit_late)
    bus.publish_all(say(ALERTS, "1"))
    bus.finish(ALERTS.name)
    TopicReader(bus, ALERTS, taken.extend).run(threading.Event())
    assert [record.value for record in taken] == [b"1", b"1"]


def test_what_is_not_shared_is_read_whole_by_each_before_it_is_ready():
    bus = MemoryBus()
    bus.publish_all([Message(HEALTH.name, camera, b"live") for camera in ("east", "west")])
    for _ in range(2):
        taken: list[Record] = []
        reader = TopicReader(bus, HEALTH, taken.extend, is_shared=False)
        assert not reader.ready
        reader.drain()
        assert {record.key for record in taken} == {"east", "west"}
        assert reader.ready
        reader.close()


def test_it_is_not_ready_while_the_store_has_yet_to_take_what_was_read():
    bus, began, may_end, stop = MemoryBus(), *(threading.Event() for _ in range(3))

    def take(_records: Sequence[Record]) -> None:
        began.set()
        assert may_end.wait(30)

    bus.publish(Message(HEALTH.name, "east", b"live"))
    reader = TopicReader(bus, HEALTH, take, is_shared=False)
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    assert began.wait(30)
    assert not reader.ready
    may_end.set()
    while not reader.ready:
        assert not stop.wait(0.001)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()

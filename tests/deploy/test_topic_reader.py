"""What the store cannot take waits on its topic."""

import threading

import pytest

from deploy import topic_reader
from deploy.errors import StoreFullError
from deploy.metrics import STORE_FAULTS
from deploy.topic_reader import TopicReader
from streamer.bus import ALERTS, Message
from streamer.memory_bus import MemoryBus


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

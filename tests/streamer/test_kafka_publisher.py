"""Messages by scripted producers that fail: the order of each key holds, losses are counted."""

import threading
from collections.abc import Callable, Iterator

import pytest

from streamer import kafka_publisher
from streamer.bus import Message
from streamer.errors import (
    BusAccessError,
    BusClosedError,
    BusError,
    BusFullError,
    BusRefusedError,
    BusUnreachableError,
)
from streamer.kafka_options import KafkaOptions
from streamer.kafka_producer import Done
from streamer.kafka_publisher import ATTEMPTS, Publisher
from streamer.metrics import MESSAGES_LOST

OPTIONS = KafkaOptions(bootstrap_servers=("one:9092",))
TOO_LARGE = BusRefusedError("too large")
BROKEN = BusError("the producer is of no use any more")
TOPIC = "test.lost"

Answer = Callable[["ScriptedProducer", Message, Done], None]


def say(value: str, key: str = "cam", topic: str = TOPIC) -> Message:
    return Message(topic, key, value.encode())


class Broker:
    """What is stored, in which order; `answer` says what becomes of a message."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.producers: list[ScriptedProducer] = []
        self.answer: Answer = ScriptedProducer.store

    def make(self, options: KafkaOptions) -> "ScriptedProducer":
        self.producers.append(ScriptedProducer(self, len(self.producers)))
        return self.producers[-1]

    @property
    def retired(self) -> list[bool]:
        return [producer.retired for producer in self.producers]


class ScriptedProducer:
    def __init__(self, broker: Broker, number: int) -> None:
        self.broker = broker
        self.number = number
        self.retired = self.has_failed = False
        self.pending: list[Done] = []

    def send(self, message: Message, done: Done) -> None:
        if self.retired:
            raise BusError("retired")
        self.broker.answer(self, message, done)

    def store(self, message: Message, done: Done) -> None:
        self.broker.stored.append((message.value or b"").decode())
        done(None)

    def retire(self) -> None:
        self.retired = True
        for done in self.pending:
            done(BusError("aborted"))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    broker = Broker()
    monkeypatch.setattr(kafka_publisher, "Producer", broker.make)
    monkeypatch.setattr(kafka_publisher, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(kafka_publisher, "GRACE_SECONDS", 0.05)
    return broker


@pytest.fixture
def publisher(broker: Broker) -> Iterator[Publisher]:
    publisher = Publisher(OPTIONS)
    yield publisher
    publisher.close()


def lost() -> float:
    return MESSAGES_LOST.labels(TOPIC)._value.get()


def wait_until_idle(publisher: Publisher) -> None:
    with publisher._changed:
        assert publisher._changed.wait_for(lambda: publisher.is_idle(TOPIC), 30.0)


# -- messages that are waited for ---------------------------------------------------------------


def test_a_message_refused_in_another_thread_does_not_break_the_order(broker, publisher) -> None:
    """Whose refusal comes between two messages, the first of which is still on its way."""

    def answer(producer: ScriptedProducer, message: Message, done: Done) -> None:
        if message.key == "big":
            done(TOO_LARGE)
            return
        if message.value == b"1":
            with pytest.raises(BusRefusedError):
                publisher.deliver([say("...", "big")])
        producer.store(message, done)

    broker.answer = answer
    publisher.deliver([say(str(i)) for i in range(4)])
    assert broker.stored == ["0", "1", "2", "3"]
    assert broker.retired == [False]


def test_a_producer_retired_in_the_midst_of_a_round_does_not_break_the_order(
    broker, publisher
) -> None:
    """The first is pending as another thread's fault ends the producer, and fails by it."""

    def answer(producer: ScriptedProducer, message: Message, done: Done) -> None:
        if producer.number == 0:
            producer.pending.append(done)
            if message.value == b"1":
                publisher._renew(producer)
        else:
            producer.store(message, done)

    broker.answer = answer
    publisher.deliver([say(str(i)) for i in range(4)])
    assert broker.stored == ["0", "1", "2", "3"]


def test_what_came_after_a_failure_comes_again_after_it(broker, publisher) -> None:
    """Of its own key; the newest of a key has to be the last."""
    failed: list[str] = []

    def answer(producer: ScriptedProducer, message: Message, done: Done) -> None:
        if message.value == b"1" and not failed:
            failed.append("1")
            done(BROKEN)
        else:
            producer.store(message, done)

    broker.answer = answer
    publisher.deliver([say("0"), say("1"), say("x", "other"), say("2")])
    assert broker.stored == ["0", "x", "2", "1", "2"]
    assert broker.retired == [True, False]


def test_after_one_that_is_not_taken_none_is_begun(broker, publisher) -> None:
    failed: list[str] = []

    def answer(producer: ScriptedProducer, message: Message, done: Done) -> None:
        if message.value == b"1" and not failed:
            failed.append("1")
            raise BusUnreachableError("no room")
        producer.store(message, done)

    broker.answer = answer
    publisher.deliver([say(str(i)) for i in range(3)])
    assert broker.stored == ["0", "1", "2"]
    assert broker.retired == [False]


@pytest.mark.parametrize("error", [TOO_LARGE, BusAccessError("you may not")])
def test_a_refusal_is_told_at_once_and_the_producer_stays(broker, publisher, error) -> None:
    tried = []

    def answer(producer: ScriptedProducer, message: Message, done: Done) -> None:
        tried.append(message.value)
        raise error

    broker.answer = answer
    with pytest.raises(type(error), match=str(error)):
        publisher.deliver([say("0"), say("1")])
    assert tried == [b"0"]
    assert broker.retired == [False]


def test_a_producer_that_a_refusal_ended_is_renewed(broker, publisher) -> None:
    def answer(producer: ScriptedProducer, message: Message, done: Done) -> None:
        producer.has_failed = True
        done(BusAccessError("you may not"))

    broker.answer = answer
    with pytest.raises(BusAccessError):
        publisher.deliver([say("0")])
    assert broker.retired == [True]


def test_a_message_that_ends_producers_is_given_up(broker, publisher) -> None:
    broker.answer = lambda producer, message, done: done(BROKEN)
    with pytest.raises(BusError, match="of no use"):
        publisher.deliver([say("0")])
    assert broker.retired == [True] * ATTEMPTS


def test_time_runs_out_though_every_try_ends_at_once(broker, publisher) -> None:
    broker.answer = lambda producer, message, done: done(BusUnreachableError("nobody"))
    with pytest.raises(BusFullError, match=r"did not take a message for test\.lost in time"):
        publisher.deliver([say("0")], timeout=0.01)


# -- messages that are queued -------------------------------------------------------------------


def test_queued_messages_of_a_key_stay_in_order_when_a_producer_breaks(broker, publisher) -> None:
    all_sent = threading.Event()

    def answer(producer: ScriptedProducer, message: Message, done: Done) -> None:
        if producer.number == 0:
            all_sent.wait(30.0)
            producer.pending.append(done)
            if len(producer.pending) == 1:
                publisher._renew(producer)
        else:
            producer.store(message, done)

    broker.answer = answer
    for i in range(5):
        publisher.offer(say(str(i)), 100)
    all_sent.set()
    wait_until_idle(publisher)
    assert broker.stored == ["0", "1", "2", "3", "4"]


def test_a_queued_message_that_is_refused_is_counted_and_the_others_go_on(
    broker, publisher
) -> None:
    def answer(producer: ScriptedProducer, message: Message, done: Done) -> None:
        if message.value == b"1":
            raise TOO_LARGE
        producer.store(message, done)

    broker.answer = answer
    before = lost()
    for i in range(3):
        publisher.offer(say(str(i)), 100)
    wait_until_idle(publisher)
    assert broker.stored == ["0", "2"]
    assert lost() - before == 1


def test_who_may_not_connect_loses_what_is_queued_and_counts_it(
    broker, publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(options: KafkaOptions) -> ScriptedProducer:
        raise BusAccessError("you may not")

    monkeypatch.setattr(kafka_publisher, "Producer", refuse)
    before = lost()
    publisher.offer(say("0"), 100)
    wait_until_idle(publisher)
    assert lost() - before == 1


def test_what_the_end_left_is_counted_once(broker) -> None:
    """Sent and not answered, and not sent yet."""
    publisher = Publisher(OPTIONS)
    broker.answer = lambda producer, message, done: producer.pending.append(done)
    before = lost()
    for i in range(20):
        publisher.offer(say(str(i)), 100)
    publisher.close()
    publisher.close()
    assert lost() - before == 20
    with pytest.raises(BusClosedError):
        publisher.offer(say("late"), 100)


def test_what_is_stored_within_the_grace_is_not_counted(broker) -> None:
    publisher = Publisher(OPTIONS)
    before = lost()
    for i in range(20):
        publisher.offer(say(str(i)), 100)
    publisher.close()
    assert lost() == before
    assert broker.stored == [str(i) for i in range(20)]

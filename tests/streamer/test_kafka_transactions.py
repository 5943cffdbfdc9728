"""Commits by a scripted producer: requests that are lost, and a reader that is closed meanwhile."""

import threading
from collections.abc import Callable, Iterator

import pytest

from streamer import kafka_transactions
from streamer.bus import Message
from streamer.errors import BusClosedError, CommitLostError
from streamer.kafka_options import KafkaOptions
from streamer.kafka_patience import Patience
from streamer.kafka_transactions import Transactions

A_YEAR = 3e7  # seconds: whoever waits for it hangs
SAID = [Message("test.out", "k", b"said")]


class Broker:
    """What its producers do: nothing of a call is heard again as long as it is to be lost."""

    def __init__(self) -> None:
        self.stored: list[Message] = []
        self.producers: list[ScriptedProducer] = []
        self.to_lose: dict[str, int] = {}  # by call: how many more
        self.over = threading.Event()
        self.take_over: Callable[[], None] = lambda: None

    def make(self, options: KafkaOptions, transactional_id: str) -> "ScriptedProducer":
        self.producers.append(ScriptedProducer(self))
        return self.producers[-1]

    def hear(self, call: str) -> None:
        if self.to_lose.get(call, 0):
            self.to_lose[call] -= 1
            self.over.wait()


class ScriptedProducer:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.sent: list[Message] = []
        self.retired = False

    def take_over(self) -> None:
        self.broker.take_over()

    def send_transaction(self, messages: list[Message], *_: object) -> None:
        self.broker.hear("send")
        self.sent = messages

    def end_transaction(self) -> None:
        self.broker.hear("end")
        self.broker.stored += self.sent

    def retire(self) -> None:
        self.retired = True


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    broker = Broker()
    monkeypatch.setattr(kafka_transactions, "Producer", broker.make)
    monkeypatch.setattr(kafka_transactions, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("streamer.kafka_patience.FIRST_SECONDS", 0.02)
    yield broker
    broker.over.set()


def transactions(patience: Patience | None = None) -> Transactions:
    options = KafkaOptions(bootstrap_servers=("one:9092",), transaction_timeout_seconds=A_YEAR)
    return Transactions(options, "pod-0", "test.in", patience or Patience(A_YEAR))


def test_a_request_that_is_lost_is_made_again_long_before_the_transaction_times_out(
    broker: Broker,
) -> None:
    broker.to_lose["send"] = 2
    transactions().commit(SAID, {}, lambda: None)
    assert broker.stored == SAID
    assert [producer.retired for producer in broker.producers] == [True, True, False]


def test_an_end_that_is_lost_is_told_and_waited_for_longer_by_who_begins_anew(
    broker: Broker,
) -> None:
    patience = Patience(A_YEAR)
    broker.to_lose["end"] = 2
    for seconds in (0.02, 0.04):
        assert patience.seconds == seconds
        with pytest.raises(CommitLostError, match="may not have been stored"):
            transactions(patience).commit(SAID, {}, lambda: None)
    assert patience.seconds == 0.08
    transactions(patience).commit(SAID, {}, lambda: None)
    assert broker.stored == SAID


def test_a_producer_that_is_opened_too_late_is_retired(broker: Broker) -> None:
    late = transactions()
    broker.take_over = late.close
    with pytest.raises(BusClosedError):
        late.open()
    assert [producer.retired for producer in broker.producers] == [True]


def test_two_who_open_at_once_get_one_producer(broker: Broker) -> None:
    """A second one would end what the first had begun."""
    shared = transactions()
    is_opening, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        is_opening.set()
        may_go_on.wait()

    broker.take_over = wait
    other = threading.Thread(target=shared.open)
    other.start()
    is_opening.wait()
    threading.Timer(0.05, may_go_on.set).start()
    shared.open()
    other.join()
    assert len(broker.producers) == 1

"""Which topics a process has on Kafka; the broker itself is in tests/e2e."""

import threading
from collections.abc import Iterable

import pytest

from deploy.open_bus import open_bus
from deploy.parts import PARTS
from deploy.settings import Settings
from deploy.settings.kafka import KafkaSettings
from streamer import kafka_bus
from streamer.bus import CLIPS, EMBEDDINGS, TOPICS, Message, Topic
from streamer.errors import BusClosedError, BusUnreachableError, UnknownTopicError
from streamer.kafka_options import KafkaOptions
from streamer.memory_bus import MemoryBus
from streamer.split_bus import SplitBus

SETTINGS = Settings(kafka=KafkaSettings(bootstrap_servers="broker:9092", partitions=4))


class Cluster(MemoryBus):
    """Stands for `KafkaBus`: all that were made, and what their connecting does."""

    made: list["Cluster"]
    answers = True

    def __init__(self, options: KafkaOptions, topics: Iterable[Topic]) -> None:
        self.names = {topic.name for topic in topics}
        super().__init__([topic for topic in TOPICS if topic.name in self.names], 4)
        self.closed = threading.Event()
        self.made.append(self)

    def connect(self) -> None:
        if not self.answers:
            assert self.closed.wait(30)
            raise BusClosedError("The bus is closed.")

    def close(self) -> None:
        self.closed.set()
        super().close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Cluster]:
    made: list[Cluster] = []
    monkeypatch.setattr(Cluster, "made", made, raising=False)
    monkeypatch.setattr(kafka_bus, "KafkaBus", Cluster)
    return made


def test_without_brokers_everything_is_in_memory(made: list[Cluster]):
    with open_bus(Settings(), PARTS, threading.Event()) as bus:
        assert isinstance(bus, MemoryBus)
    with pytest.raises(BusClosedError):
        bus.publish(Message(CLIPS.name, "yard", b"late"))
    assert not made


@pytest.mark.parametrize("parts", [PARTS, ("streamer", "encoder")])
def test_clips_that_stay_are_on_no_broker(made: list[Cluster], parts: tuple[str, ...]):
    with open_bus(SETTINGS, parts, threading.Event()) as bus:
        assert isinstance(bus, SplitBus)
        bus.publish(Message(CLIPS.name, "yard", b"clip"))
        bus.publish(Message(EMBEDDINGS.name, "yard", b"vector"))
        assert made[0].names == {topic.name for topic in TOPICS} - {CLIPS.name}
        assert len(made[0].subscribe(EMBEDDINGS.name).poll(0.0)) == 1
        assert bus.partitions == 4
    assert made[0].closed.is_set()


@pytest.mark.parametrize("parts", [("streamer",), ("encoder", "api")])
def test_clips_travel_where_their_ends_are_apart(made: list[Cluster], parts: tuple[str, ...]):
    with open_bus(SETTINGS, parts, threading.Event()) as bus:
        bus.publish(Message(CLIPS.name, "yard", b"clip"))
        assert len(made[0].subscribe(CLIPS.name).poll(0.0)) == 1


def test_who_has_nothing_to_do_with_clips_makes_no_topic_for_them(made: list[Cluster]):
    stop = threading.Event()
    with open_bus(SETTINGS, ("grounding", "api"), stop) as bus, pytest.raises(UnknownTopicError):
        bus.publish(Message(CLIPS.name, "yard", b"clip"))


def test_a_stop_ends_the_waiting_for_a_broker(made: list[Cluster], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Cluster, "answers", False)
    stop = threading.Event()
    stop.set()
    with pytest.raises(BusClosedError), open_bus(SETTINGS, PARTS, stop):
        raise AssertionError("there is no bus")


def test_what_cannot_be_connected_is_closed(made: list[Cluster], monkeypatch: pytest.MonkeyPatch):
    def refuse(_self: Cluster) -> None:
        raise BusUnreachableError("No broker.")

    monkeypatch.setattr(Cluster, "connect", refuse)
    with pytest.raises(BusUnreachableError), open_bus(SETTINGS, PARTS, threading.Event()):
        raise AssertionError("there is no bus")
    assert made[0].closed.is_set()

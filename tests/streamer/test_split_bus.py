"""What goes across the two buses comes before the position; nothing is lost between them."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.bus import Bus, Message, Position, Subscription, Topic
from streamer.errors import BusClosedError, BusError
from streamer.memory_bus import MemoryBus
from streamer.split_bus import SplitBus

HERE = Topic("test.here", capacity=100, needs_reader=True)
THERE = Topic("test.there", capacity=100, needs_reader=True)
TOPICS = (HERE, THERE)
SOON = 60.0


class World:
    """A split bus and the two it is made of."""

    def __init__(self, kafka: Bus | None = None) -> None:
        self.memory = MemoryBus(TOPICS, 4)
        self.kafka: Bus = kafka or MemoryBus(TOPICS, 4)
        self.bus = SplitBus(self.memory, self.kafka, {HERE.name})


class Watched(MemoryBus):
    """Calls `at_publishing` before several messages are published at once."""

    def __init__(self, at_publishing: Callable[[], None]) -> None:
        super().__init__(TOPICS, 4)
        self._at_publishing = at_publishing

    def publish_all(self, messages: Sequence[Message]) -> None:
        self._at_publishing()
        super().publish_all(messages)


def say(topic: Topic, text: str, key: str = "k") -> Message:
    return Message(topic.name, key, text.encode())


def texts(reader: Subscription, timeout: float = SOON) -> list[str]:
    return [(record.value or b"").decode() for record in reader.poll(timeout)]


@pytest.fixture
def world() -> World:
    return World()


def test_each_topic_is_on_its_own_bus(world: World):
    world.bus.publish(say(HERE, "a clip"))
    world.bus.publish(say(THERE, "a vector"))
    assert texts(world.memory.subscribe(HERE.name)) == ["a clip"]
    assert texts(world.kafka.subscribe(THERE.name)) == ["a vector"]
    assert texts(world.memory.subscribe(THERE.name), 0.0) == []
    assert texts(world.kafka.subscribe(HERE.name), 0.0) == []


@given(st.lists(st.sampled_from(TOPICS)))
def test_many_messages_keep_their_order_on_each_bus(topics: list[Topic]):
    world = World()
    world.bus.publish_all([say(topic, str(number)) for number, topic in enumerate(topics)])
    for topic in TOPICS:
        wanted = [str(number) for number, one in enumerate(topics) if one == topic]
        assert texts(world.bus.subscribe(topic.name), 0.0) == wanted


@pytest.mark.parametrize(("source", "target"), [(HERE, THERE), (THERE, HERE)])
def test_outputs_of_both_buses_leave_with_a_commit(world: World, source: Topic, target: Topic):
    reader = world.bus.subscribe(source.name, "g")
    world.bus.publish(say(source, "in"))
    assert texts(reader) == ["in"]
    reader.commit([say(target, "out"), say(source, "again")])
    assert texts(world.bus.subscribe(target.name)) == ["out"]
    assert texts(reader) == ["again"]
    assert world.bus.lags() == {source.name: 0}
    reader.close()
    assert texts(world.bus.subscribe(source.name, "g")) == ["again"]


@pytest.mark.parametrize(("source", "target"), [(HERE, THERE), (THERE, HERE)])
def test_what_the_other_bus_did_not_take_is_read_again(world: World, source: Topic, target: Topic):
    reader = world.bus.subscribe(source.name, "g")
    world.bus.publish(say(source, "in"))
    assert texts(reader) == ["in"]
    world.bus.finish(target.name)
    with pytest.raises(BusError):
        reader.commit([say(target, "out"), say(source, "again")])
    reader.close()
    assert texts(world.bus.subscribe(source.name, "g")) == ["in"]


def test_the_position_is_stored_after_the_output_is_there():
    stored: list[Position | None] = []

    def look() -> None:
        stored.append(reader.committed(record.partition))

    world = World(Watched(look))
    reader = world.bus.subscribe(HERE.name, "g")
    world.bus.publish(say(HERE, "in"))
    (record,) = reader.poll(SOON)
    place = {record.partition: Position(record.offset + 1, "note")}
    reader.commit([say(THERE, "out")], place)
    assert stored == [None]
    assert reader.committed(record.partition) == Position(record.offset + 1, "note")


def test_a_crash_between_the_two_repeats_and_loses_nothing():
    world = World(Watched(lambda: reader.close()))  # nothing more is committed
    reader = world.bus.subscribe(HERE.name, "g")
    world.bus.publish(say(HERE, "in"))
    reader.poll(SOON)
    with pytest.raises(BusClosedError):
        reader.commit([say(THERE, "out")])
    assert texts(world.bus.subscribe(THERE.name)) == ["out"]
    assert texts(world.bus.subscribe(HERE.name, "g")) == ["in"]


def test_seeking_and_ends_are_those_of_the_home(world: World):
    reader = world.bus.subscribe(HERE.name, "g")
    world.bus.publish(say(HERE, "one"))
    (record,) = reader.poll(SOON)
    reader.seek(record.partition, record.offset)
    assert texts(reader) == ["one"]
    assert reader.caught_up
    world.bus.finish(HERE.name)
    assert reader.finished
    assert not world.bus.subscribe(THERE.name).finished


def test_it_is_settled_once_all_its_groups_are(world: World):
    assert world.bus.settled
    alone = world.bus.subscribe(THERE.name)  # has no group
    readers = [world.bus.subscribe(topic.name, "g") for topic in TOPICS]
    assert not world.bus.settled
    readers[0].poll(0.0)
    assert not world.bus.settled
    readers[1].poll(0.0)
    assert world.bus.settled
    rival = world.kafka.subscribe(THERE.name, "g")  # of another process
    assert not world.bus.settled
    readers[1].close()
    readers[1].close()
    assert world.bus.settled
    for one in (alone, rival):
        one.close()


def test_closing_closes_both(world: World):
    world.bus.close()
    world.bus.close()
    for bus, topic in ((world.memory, HERE), (world.kafka, THERE)):
        with pytest.raises(BusClosedError):
            bus.publish(say(topic, "late"))

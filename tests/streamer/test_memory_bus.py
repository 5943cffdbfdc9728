"""What only the bus in memory promises: that its memory stays bounded."""

from streamer.bus import CLIPS, EMBEDDINGS, Message, Topic
from streamer.memory_bus import MemoryBus
from streamer.memory_topic import PartitionLog

WORK = Topic("work", capacity=4, kept=2, needs_reader=True)
STATE = Topic("state", compacted=True)


def held(bus: MemoryBus, topic: str) -> list[bytes | None]:
    logs: list[PartitionLog] = bus._topics[topic].logs
    return [record.value for log in logs for record in log.read(0)]


def test_committed_records_are_forgotten_but_for_those_kept():
    bus = MemoryBus([WORK], partitions=1)
    reader = bus.subscribe(WORK.name, "g")
    for i in range(100):
        bus.publish(Message(WORK.name, "k", b"%d" % i))
        reader.poll(0)
        reader.commit()
    assert held(bus, WORK.name) == [b"98", b"99"]


def test_kept_records_can_be_rewound_to_and_do_not_fill_the_topic():
    bus = MemoryBus([WORK], partitions=1)
    reader = bus.subscribe(WORK.name, "g")
    for i in range(4):
        bus.publish(Message(WORK.name, "k", b"%d" % i))
    reader.poll(1)
    reader.commit()
    for i in range(4):
        bus.publish(Message(WORK.name, "k", b"new %d" % i), timeout=0.05)
    reader.seek(0, 0)
    assert [r.value for r in reader.poll(1)][:3] == [b"2", b"3", b"new 0"]


def test_the_slowest_group_decides_what_is_forgotten():
    bus = MemoryBus([WORK], partitions=1)
    fast, slow = bus.subscribe(WORK.name, "fast"), bus.subscribe(WORK.name, "slow")
    bus.publish(Message(WORK.name, "k", b"1"))
    fast.poll(0)
    fast.commit()
    assert [record.value for record in slow.poll(0)] == [b"1"]


def test_a_reader_without_a_group_does_not_fill_the_topic():
    bus = MemoryBus([WORK], partitions=1)
    reader = bus.subscribe(WORK.name)
    for i in range(20):
        bus.publish(Message(WORK.name, "k", b"%d" % i), timeout=0.05)
        assert len(reader.poll(0)) == 1
    assert len(held(bus, WORK.name)) <= 4


def test_a_compacted_topic_holds_one_record_a_key_and_forgets_deletions():
    bus = MemoryBus([STATE], partitions=1)
    reader = bus.subscribe(STATE.name)
    for i in range(50):
        bus.publish(Message(STATE.name, f"k{i % 5}", b"%d" % i))
    assert len(held(bus, STATE.name)) == 5
    bus.publish(Message(STATE.name, "k0", None))
    reader.poll(0)
    bus.publish(Message(STATE.name, "k1", b"x"))
    assert None not in held(bus, STATE.name)
    assert len(held(bus, STATE.name)) == 4


def test_records_in_flight_are_not_dropped_for_a_live_source():
    bus = MemoryBus([WORK], partitions=1)
    reader = bus.subscribe(WORK.name, "g")
    for i in range(4):
        bus.publish(Message(WORK.name, "k", b"%d" % i), "drop_oldest")
    reader.poll(0)
    for i in range(4, 10):
        bus.publish(Message(WORK.name, "k", b"%d" % i), "drop_oldest")
    reader.close()
    again = bus.subscribe(WORK.name, "g")
    assert [record.value for record in again.poll(0)] == [b"0", b"1", b"2", b"3", b"9"]


def test_a_clip_and_a_window_fit_their_topics():
    assert CLIPS.capacity * 8 * 256 * 448 * 3 < 64 * 2**20
    assert EMBEDDINGS.kept >= 75

"""What was read and waits: in order, bounded, and nothing of a partition that went."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.bus import Record
from streamer.kafka_buffer import ReadBuffer

PARTITIONS = frozenset(range(3))


def records(partition: int, *offsets: int, size: int = 1) -> list[Record]:
    return [Record("t", partition, offset, "k", b"x" * size, (), 0.0) for offset in offsets]


def begun(*partitions: int, **limits: int) -> ReadBuffer:
    buffer = ReadBuffer(**limits)
    for partition in partitions:
        buffer.begin(partition, 0)
    return buffer


@given(
    st.lists(st.tuples(st.sampled_from(sorted(PARTITIONS)), st.integers(0, 4)), max_size=20),
    st.lists(st.integers(0, 5), max_size=20),
)
def test_each_record_is_taken_once_and_in_order(added: list[tuple[int, int]], takes: list[int]):
    buffer = begun(*PARTITIONS)
    ends = dict.fromkeys(PARTITIONS, 0)
    taken: dict[int, list[int]] = {partition: [] for partition in PARTITIONS}
    for partition, count in added:
        start, ends[partition] = ends[partition], ends[partition] + count
        buffer.add(partition, records(partition, *range(start, start + count)), start + count)
        for most in takes[:1]:
            for record in (found := buffer.take(PARTITIONS, most)):
                taken[record.partition].append(record.offset)
            assert len(found) <= most
        del takes[:1]
        for each in PARTITIONS:
            assert buffer.position(each) == len(taken[each])
    for record in buffer.take(PARTITIONS, 1000):
        taken[record.partition].append(record.offset)
    assert taken == {partition: list(range(end)) for partition, end in ends.items()}
    assert buffer.reached(ends)
    assert buffer.has_room
    assert not buffer.take(PARTITIONS, 1000)


def test_partitions_take_turns():
    buffer = begun(0, 1)
    for partition in (0, 1):
        buffer.add(partition, records(partition, *range(5)), 5)
    assert {buffer.take(PARTITIONS, 1)[0].partition for _ in range(2)} == {0, 1}


def test_only_partitions_that_were_asked_for_are_taken():
    buffer = begun(0, 1)
    for partition in (0, 1):
        buffer.add(partition, records(partition, 0), 1)
    assert [record.partition for record in buffer.take(frozenset({1}), 9)] == [1]
    assert not buffer.take(frozenset({1, 2}), 9)


def test_it_is_full_by_number_and_has_room_once_half_was_taken():
    buffer = begun(0, most_records=4)
    buffer.add(0, records(0, 0, 1, 2), 3)
    assert not buffer.is_full
    buffer.add(0, records(0, 3), 4)
    assert buffer.is_full
    buffer.take(PARTITIONS, 1)
    assert not buffer.is_full
    assert not buffer.has_room
    buffer.take(PARTITIONS, 1)
    assert buffer.has_room


def test_it_is_full_by_size():
    buffer = begun(0, most_bytes=10_000)
    buffer.add(0, records(0, 0, 1, size=5_000), 2)
    assert buffer.is_full
    buffer.drop([0])
    assert buffer.has_room


def test_the_position_lies_behind_what_transactions_leave():
    buffer = begun(0)
    buffer.add(0, records(0, 0, 1), 3)  # offset 2 is a transaction's end
    buffer.take(PARTITIONS, 1)
    assert buffer.position(0) == 1
    assert not buffer.reached({0: 3})
    buffer.take(PARTITIONS, 1)
    assert buffer.position(0) == 3
    assert buffer.reached({0: 3})


def test_what_begins_anew_forgets_what_waited_and_is_known_by_its_count():
    buffer = begun(0)
    buffer.add(0, records(0, 0, 1), 2)
    before = buffer.begun()
    buffer.begin(0, 7)
    assert buffer.begun()[0] == before[0] + 1
    assert buffer.position(0) == 7
    assert not buffer.take(PARTITIONS, 9)


def test_a_partition_that_went_and_came_back_was_begun_once_more():
    buffer = begun(0)
    buffer.drop([0, 1])
    buffer.begin(0, 0)
    assert buffer.begun() == {0: 2}

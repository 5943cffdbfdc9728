"""What every bus must do. A bus's test class inherits this and gives the fixture `bus`.

One whose topics can be full inherits `BoundedBusContract` (bounded_bus_contract.py) instead.

The fixture's bus has the topics below and `PARTITIONS` partitions, all empty.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from streamer.bus import (
    Bus,
    Message,
    Position,
    Rebalance,
    Record,
    Subscription,
    Topic,
    partition_of,
)
from streamer.errors import (
    BusClosedError,
    BusError,
    NotAssignedError,
    UnknownTopicError,
)

PARTITIONS = 4
CAPACITY = 4
WORK = Topic("test.work", capacity=CAPACITY, needs_reader=True)
RESULTS = Topic("test.results", capacity=100, needs_reader=True)
STATE = Topic("test.state", compacted=True)
NEWS = Topic("test.news", capacity=CAPACITY)
TOPICS = (WORK, RESULTS, STATE, NEWS)


def say(topic: Topic, key: str, value: str | None, **headers: bytes) -> Message:
    return Message(topic.name, key, None if value is None else value.encode(), (*headers.items(),))


def drain(reader: Subscription, wanted: int, timeout: float = 20.0) -> list[Record]:
    """At least `wanted` records, or what came in time."""
    records: list[Record] = []
    deadline = time.monotonic() + timeout
    while len(records) < wanted and (left := deadline - time.monotonic()) > 0:
        records += reader.poll(left)
    return records


def texts(records: list[Record]) -> list[str]:
    return [(record.value or b"").decode() for record in records]


def other_key(key: str) -> str:
    """A key of another partition."""
    mine = partition_of(key, PARTITIONS)
    return next(k for k in map(str, range(100)) if partition_of(k, PARTITIONS) != mine)


class BusContract:
    """Inherit, and give the fixture `bus`."""

    SOON = 60.0  # seconds after which a test gives up waiting
    NOT_YET = 0.2  # seconds in which nothing is to come

    @pytest.fixture
    def threads(self, bus: Bus) -> Iterator[Callable[..., Future]]:
        """Runs a call in another thread; whoever still waits at the end is woken by closing."""
        with ThreadPoolExecutor(8) as pool:
            yield pool.submit
            bus.close()

    # -- records ------------------------------------------------------------------------------

    def test_a_record_is_read_as_it_was_published(self, bus: Bus):
        reader = bus.subscribe(WORK.name, "g")
        bus.publish(say(WORK, "yard", "one", kind=b"\0\xff"))
        (record,) = drain(reader, 1)
        assert (record.topic, record.key, record.value) == (WORK.name, "yard", b"one")
        assert record.headers == (("kind", b"\0\xff"),)
        assert record.partition == partition_of("yard", PARTITIONS)
        assert abs(record.published - time.time()) < 60

    def test_the_records_of_a_key_stay_in_order(self, bus: Bus):
        reader = bus.subscribe(RESULTS.name, "g")
        for i in range(20):
            bus.publish(say(RESULTS, f"k{i % 3}", str(i)))
        records = drain(reader, 20)
        for key in ("k0", "k1", "k2"):
            mine = [record for record in records if record.key == key]
            assert texts(mine) == sorted(texts(mine), key=int)
            offsets = [record.offset for record in mine]
            assert offsets == sorted(set(offsets))

    def test_poll_returns_at_most_what_was_asked_for(self, bus: Bus):
        reader = bus.subscribe(RESULTS.name, "g")
        for i in range(5):
            bus.publish(say(RESULTS, "k", str(i)))
        first = reader.poll(self.SOON, max_records=2)
        assert 1 <= len(first) <= 2
        assert len(drain(reader, 5 - len(first))) == 5 - len(first)

    def test_poll_waits_no_longer_than_it_was_told(self, bus: Bus):
        reader = bus.subscribe(WORK.name, "g")
        assert list(reader.poll(0.05)) == []
        assert list(reader.poll(0.0)) == []

    def test_poll_is_woken_by_a_record(self, bus: Bus, threads: Callable[..., Future]):
        reader = bus.subscribe(WORK.name, "g")
        waiting = threads(drain, reader, 1)
        bus.publish(say(WORK, "k", "one"))
        assert texts(waiting.result(self.SOON)) == ["one"]

    def test_unknown_topics_are_refused(self, bus: Bus):
        with pytest.raises(UnknownTopicError, match=r"no topic 'test\.typo'"):
            bus.publish(Message("test.typo", "k", b""))
        with pytest.raises(UnknownTopicError, match=r"no topic 'test\.typo'"):
            bus.subscribe("test.typo")

    # -- groups -------------------------------------------------------------------------------

    def test_what_was_published_before_the_group_came_is_read(self, bus: Bus):
        bus.publish(say(WORK, "k", "early"))
        assert texts(drain(bus.subscribe(WORK.name, "g"), 1)) == ["early"]

    def test_two_groups_read_everything_each(self, bus: Bus):
        first, second = bus.subscribe(WORK.name, "a"), bus.subscribe(WORK.name, "b")
        bus.publish(say(WORK, "k", "one"))
        assert texts(drain(first, 1)) == texts(drain(second, 1)) == ["one"]

    def test_the_members_of_a_group_share_the_partitions(self, bus: Bus):
        members = [bus.subscribe(RESULTS.name, "g") for _ in range(2)]
        self.settle(members)
        assert members[0].assigned | members[1].assigned == set(range(PARTITIONS))
        assert not members[0].assigned & members[1].assigned
        for i in range(40):
            bus.publish(say(RESULTS, f"k{i}", str(i)))
        read: list[Record] = []
        self.wait_for(
            lambda: read.extend(r for m in members for r in m.poll(0.05)) or len(read) >= 40
        )
        assert sorted(texts(read), key=int) == [str(i) for i in range(40)]

    def test_a_group_is_settled_once_its_partitions_have_owners(self, bus: Bus):
        reader = bus.subscribe(WORK.name, "g")
        assert not reader.settled
        assert not reader.caught_up
        self.settle([reader])
        assert reader.settled
        assert reader.caught_up

    def test_a_group_is_caught_up_once_it_polled_what_lay_there(self, bus: Bus):
        bus.publish_all([say(RESULTS, f"k{i}", str(i)) for i in range(8)])
        reader = bus.subscribe(RESULTS.name, "g")
        read: list[Record] = []
        self.wait_for(lambda: read.extend(reader.poll(0.05, 1)) or reader.caught_up)
        assert len(read) == 8

    def test_a_member_that_comes_takes_partitions_over_once_they_were_let_go(self, bus: Bus):
        told: list[tuple[str, frozenset[int]]] = []
        listener = Rebalance(
            lambda gained: told.append(("gained", gained)), lambda lost: told.append(("lost", lost))
        )
        first = bus.subscribe(RESULTS.name, "g", listener)
        self.settle([first])
        assert first.assigned == set(range(PARTITIONS))
        second = bus.subscribe(RESULTS.name, "g")
        self.settle([first, second])
        assert told[0] == ("gained", frozenset(range(PARTITIONS)))
        lost = frozenset().union(*(partitions for what, partitions in told if what == "lost"))
        assert lost == second.assigned

    def test_a_member_may_commit_while_it_is_told_of_its_loss(self, bus: Bus):
        first = bus.subscribe(RESULTS.name, "g", Rebalance(on_revoked=lambda lost: first.commit()))
        for i in range(20):
            bus.publish(say(RESULTS, f"k{i}", str(i)))
        assert len(drain(first, 20)) == 20
        second = bus.subscribe(RESULTS.name, "g")
        self.settle([first, second])
        assert drain(second, 1, timeout=self.NOT_YET) == []

    def test_records_that_were_not_committed_go_to_the_next_reader(self, bus: Bus):
        first = bus.subscribe(WORK.name, "g")
        for text in ("one", "two", "three"):
            bus.publish(say(WORK, "k", text))
        assert texts(list(first.poll(self.SOON, 1))) == ["one"]
        first.commit()
        drain(first, 2)
        first.close()
        assert texts(drain(bus.subscribe(WORK.name, "g"), 2)) == ["two", "three"]

    def test_a_group_goes_on_where_it_stood(self, bus: Bus):
        first = bus.subscribe(WORK.name, "g")
        bus.publish(say(WORK, "k", "one"))
        drain(first, 1)
        first.commit()
        first.close()
        bus.publish(say(WORK, "k", "two"))
        assert texts(drain(bus.subscribe(WORK.name, "g"), 1)) == ["two"]

    # -- positions ----------------------------------------------------------------------------

    def test_a_commit_keeps_its_note(self, bus: Bus):
        reader = bus.subscribe(WORK.name, "g")
        bus.publish(say(WORK, "k", "one"))
        (record,) = drain(reader, 1)
        assert reader.committed(record.partition) is None
        reader.commit(positions={record.partition: Position(record.offset + 1, "rewind=0")})
        assert reader.committed(record.partition) == Position(record.offset + 1, "rewind=0")

    def test_seeking_back_reads_again(self, bus: Bus):
        reader = bus.subscribe(WORK.name, "g")
        for text in ("one", "two", "three"):
            bus.publish(say(WORK, "k", text))
        records = drain(reader, 3)
        reader.seek(records[1].partition, records[1].offset)
        assert texts(drain(reader, 2)) == ["two", "three"]

    def test_seeking_in_the_assignment_callback_holds(self, bus: Bus):
        first = bus.subscribe(WORK.name, "g")
        for text in ("one", "two", "three"):
            bus.publish(say(WORK, "k", text))
        second_record = drain(first, 3)[1]
        first.close()
        place = {second_record.partition: second_record.offset}
        second = bus.subscribe(
            WORK.name,
            "g",
            Rebalance(lambda gained: [second.seek(p, place[p]) for p in gained if p in place]),
        )
        assert texts(drain(second, 2)) == ["two", "three"]

    def test_anothers_partitions_are_out_of_reach(self, bus: Bus):
        members = [bus.subscribe(WORK.name, "g") for _ in range(2)]
        self.settle(members)
        theirs = next(iter(members[1].assigned))
        with pytest.raises(NotAssignedError, match=f"Partition {theirs}"):
            members[0].commit(positions={theirs: Position(0)})
        with pytest.raises(NotAssignedError, match=f"Partition {theirs}"):
            members[0].seek(theirs, 0)

    # -- outputs and offsets together ---------------------------------------------------------

    def test_outputs_and_positions_are_stored_together(self, bus: Bus):
        reader, results = bus.subscribe(WORK.name, "g"), bus.subscribe(RESULTS.name, "r")
        bus.publish(say(WORK, "k", "one"))
        drain(reader, 1)
        reader.commit([say(RESULTS, "k", "ONE"), say(STATE, "k", "done")])
        assert texts(drain(results, 1)) == ["ONE"]
        assert texts(drain(bus.subscribe(STATE.name), 1)) == ["done"]
        reader.close()
        assert drain(bus.subscribe(WORK.name, "g"), 1, timeout=self.NOT_YET) == []

    def test_a_refused_output_stores_nothing(self, bus: Bus):
        reader, results = bus.subscribe(WORK.name, "g"), bus.subscribe(RESULTS.name, "r")
        bus.publish(say(WORK, "k", "one"))
        drain(reader, 1)
        with pytest.raises(UnknownTopicError):
            reader.commit([say(RESULTS, "k", "ONE"), Message("test.typo", "k", b"")])
        assert drain(results, 1, timeout=self.NOT_YET) == []
        reader.close()
        assert texts(drain(bus.subscribe(WORK.name, "g"), 1)) == ["one"]

    # -- without a group ----------------------------------------------------------------------

    def test_a_reader_without_a_group_has_all_partitions_and_no_position(self, bus: Bus):
        readers = [bus.subscribe(STATE.name) for _ in range(2)]
        bus.publish(say(STATE, "k", "one"))
        for reader in readers:
            assert texts(drain(reader, 1)) == ["one"]
            assert reader.assigned == set(range(PARTITIONS))
            reader.commit()
            assert reader.committed(0) is None

    def test_a_reader_of_named_partitions_reads_those_alone(self, bus: Bus):
        mine, theirs = "k", other_key("k")
        bus.publish_all([say(STATE, mine, "mine"), say(STATE, theirs, "theirs")])
        partition = partition_of(mine, PARTITIONS)
        reader = bus.subscribe(STATE.name, partitions=frozenset([partition]))
        read: list[Record] = []
        self.wait_for(lambda: read.extend(reader.poll(0.05)) or reader.caught_up)
        bus.publish(say(STATE, mine, "later"))
        read += drain(reader, 1)
        assert texts(read) == ["mine", "later"]
        assert reader.assigned == {partition}

    def test_a_compacted_topic_is_read_whole_by_who_comes_late(self, bus: Bus):
        for i in range(50):
            bus.publish(say(STATE, f"k{i % 5}", str(i)))
        reader = bus.subscribe(STATE.name)
        assert not reader.caught_up
        newest: dict[str, str] = {}
        while not reader.caught_up:
            for record in reader.poll(self.SOON):
                newest[record.key] = (record.value or b"").decode()
        assert newest == {f"k{i % 5}": str(i) for i in range(45, 50)}

    def test_a_deleted_key_is_told_to_who_is_there(self, bus: Bus):
        reader = bus.subscribe(STATE.name)
        bus.publish(say(STATE, "k", "one"))
        drain(reader, 1)
        bus.publish(say(STATE, "k", None))
        (record,) = drain(reader, 1)
        assert record.value is None

    def test_an_empty_topic_is_caught_up_once_polled(self, bus: Bus):
        reader = bus.subscribe(STATE.name)
        self.wait_for(lambda: reader.poll(0.01) or reader.caught_up)

    # -- much at once --------------------------------------------------------------------------

    def test_a_slow_reader_loses_nothing_of_a_file(self, bus: Bus, threads: Callable[..., Future]):
        def write() -> None:
            for i in range(50):
                bus.publish(say(WORK, "film", str(i)))
            bus.finish(WORK.name)

        writing = threads(write)
        reader, read = bus.subscribe(WORK.name, "g"), []
        while not reader.finished:
            read += reader.poll(self.SOON, max_records=3)
            time.sleep(0.001)
            reader.commit()
        writing.result(self.SOON)
        assert texts(read) == [str(i) for i in range(50)]

    def test_a_compacted_topic_is_never_full(self, bus: Bus):
        for i in range(20 * CAPACITY):
            bus.publish(say(STATE, str(i), "x"))

    def test_all_is_there_and_in_order_once_publish_all_returns(self, bus: Bus):
        bus.publish_all([say(RESULTS, f"k{i % 2}", str(i)) for i in range(20)])
        records = drain(bus.subscribe(RESULTS.name, "g"), 20)
        for key in ("k0", "k1"):
            mine = texts([record for record in records if record.key == key])
            assert mine == sorted(mine, key=int)
            assert len(mine) == 10

    def test_publish_all_knows_every_topic_first(self, bus: Bus):
        with pytest.raises(UnknownTopicError):
            bus.publish_all([Message("test.typo", "k", b""), say(RESULTS, "k", "one")])
        assert drain(bus.subscribe(RESULTS.name, "g"), 1, timeout=self.NOT_YET) == []

    def test_the_lag_is_what_a_group_has_not_polled(self, bus: Bus):
        assert bus.lags() == {}
        reader, other = bus.subscribe(RESULTS.name, "g"), bus.subscribe(STATE.name)
        self.settle([reader])
        bus.publish_all([say(RESULTS, "k", str(i)) for i in range(5)])
        self.wait_for(lambda: bus.lags() == {RESULTS.name: 5})
        drain(reader, 5)
        self.wait_for(lambda: bus.lags() == {RESULTS.name: 0})
        other.close()

    # -- ends ---------------------------------------------------------------------------------

    def test_a_finished_topic_ends_its_readers_once_they_are_through(self, bus: Bus):
        reader = bus.subscribe(WORK.name, "g")
        bus.publish(say(WORK, "k", "last"))
        bus.finish(WORK.name)
        assert not reader.finished
        assert texts(drain(reader, 1)) == ["last"]
        assert list(reader.poll(self.SOON)) == []
        assert reader.finished

    def test_finishing_wakes_who_waits(self, bus: Bus, threads: Callable[..., Future]):
        reader = bus.subscribe(WORK.name, "g")
        waiting = threads(reader.poll, 600.0)
        bus.finish(WORK.name)
        assert list(waiting.result(self.SOON)) == []

    def test_nothing_follows_the_end(self, bus: Bus):
        bus.finish(WORK.name)
        with pytest.raises(BusError, match="was finished"):
            bus.publish(say(WORK, "k", "late"))

    def test_closing_wakes_who_waits_and_ends_everything(
        self, bus: Bus, threads: Callable[..., Future]
    ):
        reader = bus.subscribe(WORK.name, "g")
        waiting = threads(reader.poll, 600.0)
        bus.close()
        bus.close()
        with pytest.raises(BusClosedError):
            waiting.result(self.SOON)
        with pytest.raises(BusClosedError):
            bus.publish(say(WORK, "k", "late"))
        with pytest.raises(BusClosedError):
            bus.subscribe(WORK.name)

    def test_a_closed_subscription_is_woken_and_says_so(
        self, bus: Bus, threads: Callable[..., Future]
    ):
        reader = bus.subscribe(WORK.name, "g")
        waiting = threads(reader.poll, 600.0)
        reader.close()
        reader.close()
        with pytest.raises(BusClosedError):
            waiting.result(self.SOON)

    def settle(self, members: list[Subscription]) -> None:
        """Polls until every partition has an owner, and it is agreed who that is."""

        def is_settled() -> bool:
            for member in members:
                member.poll(0.01)
            owned = [len(member.assigned) for member in members]
            return (
                sum(owned) == PARTITIONS
                and all(owned)
                and all(member.settled for member in members)
            )

        self.wait_for(is_settled)

    def wait_for(self, is_so: Callable[[], object]) -> None:
        """Waits until something is so; fails when it is not, soon."""
        deadline = time.monotonic() + self.SOON
        while not is_so():
            assert time.monotonic() < deadline, "it did not come to be"
            time.sleep(0.01)

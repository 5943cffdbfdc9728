"""Partitions that come and go: the reader is told of each change once, in order."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streamer.kafka_assignment import Assignment, Change

SETS = st.frozensets(st.integers(0, 3), min_size=1)


class Partitions(RuleBasedStateMachine):
    """The group gives and takes, the reader is told; `known` is what the reader was told."""

    def __init__(self) -> None:
        super().__init__()
        self.assignment = Assignment()
        self.group: set[int] = set()  # what the group says is this reader's
        self.known: set[int] = set()
        self.telling: Change | None = None

    @rule(partitions=SETS)
    def gain(self, partitions: frozenset[int]) -> None:
        gained = partitions - self.group
        self.assignment.arrive(gained)
        self.group |= gained

    @rule(partitions=SETS)
    def leave(self, partitions: frozenset[int]) -> None:
        self.assignment.leave(partitions & self.group)
        self.group -= partitions

    @rule(partitions=SETS)
    def lose(self, partitions: frozenset[int]) -> None:
        lost = frozenset(partitions & self.group)
        self.assignment.lose(lost)
        assert self.assignment.gone >= lost & self.assignment.owned
        self.group -= lost

    @rule()
    def look_up(self) -> None:
        arrived = frozenset(self.assignment.arrived - self.assignment.leaving)
        assert self.assignment.look_up(arrived) == arrived

    @precondition(lambda self: self.telling is None and self.assignment.next_change)
    @rule()
    def begin_telling(self) -> None:
        change = self.assignment.next_change
        assert change is not None
        self.telling = change
        self.assignment.begin_telling(change)
        if change.gained:
            assert not change.partitions & self.known
            self.known |= change.partitions

    @precondition(lambda self: self.telling is not None)
    @rule()
    def end_telling(self) -> None:
        change, self.telling = self.telling, None
        assert change is not None
        self.assignment.end_telling(change)
        if not change.gained:
            assert change.partitions <= self.known
            self.known -= change.partitions

    @rule()
    def give_up_waiting(self) -> None:
        self.assignment.give_up_waiting()
        assert not self.assignment.is_letting_go

    @invariant()
    def the_reader_has_what_it_was_told(self) -> None:
        assert self.assignment.owned == self.known

    @invariant()
    def what_leaves_or_is_gone_is_still_its_own(self) -> None:
        assert self.assignment.leaving <= self.assignment.owned
        assert self.assignment.gone <= self.assignment.owned

    @invariant()
    def in_the_end_it_has_what_the_group_says(self) -> None:
        if self.assignment.is_quiet:
            assert self.assignment.owned == self.group


TestPartitions = Partitions.TestCase


def told(assignment: Assignment) -> list[tuple[bool, set[int]]]:
    changes: list[tuple[bool, set[int]]] = []
    while (change := assignment.next_change) is not None:
        assignment.begin_telling(change)
        changes.append((change.gained, set(change.partitions)))
        assignment.end_telling(change)
    return changes


def owning(*partitions: int) -> Assignment:
    assignment = Assignment()
    assignment.arrive(partitions)
    assignment.look_up(frozenset(partitions))
    told(assignment)
    return assignment


def test_a_partition_that_leaves_before_it_was_told_of_is_never_told():
    assignment = Assignment()
    assignment.arrive({0, 1})
    assignment.look_up(frozenset({0, 1}))
    assignment.leave(frozenset({1}))
    assert told(assignment) == [(True, {0})]


def test_a_partition_waits_for_its_reader_until_it_was_told():
    assignment = owning(0, 1)
    assignment.leave(frozenset({1}))
    assert assignment.is_letting_go
    assert assignment.owned == {0, 1}
    assert told(assignment) == [(False, {1})]
    assert not assignment.is_letting_go
    assert assignment.owned == {0}


def test_nobody_waits_for_the_reader_of_a_partition_that_was_lost():
    assignment = owning(0)
    assignment.lose(frozenset({0}))
    assert assignment.gone == {0}
    assert not assignment.is_letting_go
    assert told(assignment) == [(False, {0})]
    assert not assignment.gone

"""What is noted before a record is tried, through deaths, commits and rebalances."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.bus import Position, Record
from streamer.progress import ProgressNote, pack_note, unpack_note
from streamer.trials import TRIES, Trials


def record(offset: int, partition: int = 0) -> Record:
    return Record("t", partition, offset, "k", b"", (), 0.0)


def begun(process: str, offset: int, note: ProgressNote | None = None) -> Trials:
    trials = Trials(process)
    trials.begin(0, Position(offset, pack_note(note or ProgressNote())))
    return trials


def test_the_first_record_is_tried_alone_until_it_is_committed():
    trials = Trials("a")
    assert not trials.on_trial(0)
    trials.begin(0, None)
    assert trials.on_trial(0)
    assert not trials.on_trial(1)
    assert trials.try_note(record(0)) == ProgressNote(tries=1, by="a")
    assert trials.on_trial(0)
    trials.passed(0)
    assert not trials.on_trial(0)


def test_a_revoked_partition_is_on_trial_no_more():
    trials = begun("a", 3)
    trials.end(0)
    trials.end(0)
    assert not trials.on_trial(0)


def test_other_partitions_have_trials_of_their_own():
    trials = begun("a", 0)
    trials.begin(1, None)
    trials.passed(0)
    assert trials.try_note(record(4, partition=1)) == ProgressNote(tries=1, by="a")


@pytest.mark.parametrize(("tries", "noted"), [(0, 1), (1, 2), (2, 3), (3, None), (9, None)])
def test_each_process_that_died_counts_until_it_is_put_aside(tries: int, noted: int | None):
    trials = begun("b", 7, ProgressNote(tries=tries, by="a"))
    note = trials.try_note(record(7))
    assert (note and note.tries) == noted
    assert note is None or note.by == "b"


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_a_retry_within_a_living_process_is_no_death(tries: int):
    trials = begun("a", 7, ProgressNote(tries=tries, by="a"))
    assert trials.try_note(record(7)) == ProgressNote(tries=tries, by="a")
    assert trials.try_note(record(7)) == ProgressNote(tries=tries, by="a")


def test_tries_of_a_record_that_is_gone_say_nothing_of_the_next():
    trials = begun("b", 7, ProgressNote(tries=3, by="a"))
    assert trials.try_note(record(9)) == ProgressNote(tries=1, by="b")


def test_what_else_was_noted_stays():
    trials = begun("b", 7, ProgressNote(rewind=2, tries=1, by="a", skip=(3, 5)))
    assert trials.try_note(record(7)) == ProgressNote(rewind=2, tries=2, by="b", skip=(3, 5))


def test_a_foreign_note_is_an_empty_one():
    trials = Trials("a")
    trials.begin(0, Position(2, "by hand"))
    assert trials.try_note(record(2)) == ProgressNote(tries=1, by="a")


# -- property: a partition on a machine that dies, loses commits and hands over --------------------

Deed = str  # what becomes of the next record: done, death, lost, or handed over before it is tried


@dataclass
class World:
    """A log of ten records; what is committed outlives the processes, nothing else does."""

    committed: Position | None = None
    done: list[int] = field(default_factory=list)
    aside: list[int] = field(default_factory=list)
    deaths: dict[int, int] = field(default_factory=dict)  # in a row, with the record in flight
    processes: int = 0
    trials: Trials = field(default_factory=lambda: Trials("0"))

    def begin(self, new_process: bool) -> None:
        if new_process:
            self.processes += 1
            self.trials = Trials(str(self.processes))
        self.trials.begin(0, self.committed)

    @property
    def next(self) -> int:
        return self.committed.offset if self.committed else 0

    def commit(self, offset: int, note: ProgressNote | None = None) -> None:
        self.committed = Position(offset, pack_note(note) if note else "")

    def step(self, deed: Deed) -> None:
        if deed == "handed":
            note = unpack_note(self.committed.note) if self.committed else ProgressNote()
            if note.tries > self.deaths.get(self.next, 0):  # lost before: it looks like a death
                self.deaths[self.next] = note.tries
            self.trials.end(0)
            self.begin(new_process=True)
            return
        offset, alone = self.next, self.trials.on_trial(0)
        if alone and not self._note(offset):
            return
        if deed == "done":
            self.done.append(offset)
            self.commit(offset + 1)
            self.trials.passed(0)
        elif deed == "death":
            if alone:
                self.deaths[offset] = self.deaths.get(offset, 0) + 1
            self.begin(new_process=True)
        else:  # the commit was lost; the same process takes it up again
            self.begin(new_process=False)

    def _note(self, offset: int) -> bool:
        note = self.trials.try_note(record(offset))
        if note is None:
            self.aside.append(offset)
            self.commit(offset + 1)
            self.trials.passed(0)
            return False
        assert note.tries == self.deaths.get(offset, 0) + 1
        self.commit(offset, note)
        return True


@given(st.lists(st.sampled_from(["done", "done", "death", "death", "lost", "handed"]), max_size=60))
def test_exactly_what_ended_three_processes_alone_is_put_aside(deeds: list[Deed]):
    world = World()
    world.begin(new_process=True)
    for deed in deeds:
        world.step(deed)
        assert all(count <= TRIES for count in world.deaths.values())
    assert sorted([*world.done, *world.aside]) == list(range(world.next))
    assert all(world.deaths[offset] == TRIES for offset in world.aside)
    assert all(world.deaths.get(offset, 0) < TRIES for offset in world.done)
    kept = unpack_note(world.committed.note) if world.committed else ProgressNote()
    assert kept.tries <= TRIES


@given(st.integers(0, 8))
def test_a_record_that_always_kills_is_put_aside_after_three_deaths(poison: int):
    world = World()
    world.begin(new_process=True)
    for _ in range(60):
        world.step("death" if world.next == poison else "done")
    assert world.aside == [poison]
    assert world.deaths == {poison: TRIES}

from hypothesis import given
from hypothesis import strategies as st

from grounding.assignment import MOST_PUT_ASIDE, Assignment
from streamer.bus import EMBEDDINGS, Position, Record
from streamer.progress import ProgressNote, pack_note, unpack_note
from tests.grounding.worlds import embedding


def record(offset: int, partition: int = 0, key: str = "yard") -> Record:
    return Record(EMBEDDINGS.name, partition, offset, key, b"", (), 0.0)


def offsets(records: list[Record]) -> list[tuple[int, int]]:
    return [(one.partition, one.offset) for one in records]


def at(offset: int, **note: object) -> Position:
    return Position(offset, pack_note(ProgressNote(**note)))  # type: ignore[arg-type]


def test_without_a_commit_all_is_to_be_evaluated() -> None:
    made = Assignment(75)
    assert made.begin(0, None) is None
    assert not made.filling
    assert made.split([record(0), record(1)]) == ([], [record(0), record(1)])


def test_without_a_note_it_goes_on_where_it_was_committed() -> None:
    made = Assignment(75)
    assert made.begin(0, Position(7)) == 7
    assert not made.filling


def test_records_before_the_commit_fill_and_those_put_aside_do_not() -> None:
    made = Assignment(75)
    assert made.begin(0, at(6, rewind=3, skip=(4,))) == 3
    assert made.begin(1, at(2, rewind=2)) == 2
    assert made.filling
    mixed = [record(3), record(2, 1), record(4), record(5), record(6), record(3, 1)]
    silent, due = made.split(mixed)
    assert offsets(silent) == [(0, 3), (0, 5)]
    assert offsets(due) == [(1, 2), (0, 6), (1, 3)]
    assert not made.filling


def test_a_note_beyond_the_position_is_not_believed() -> None:
    assert Assignment(75).begin(0, at(6, rewind=9)) == 6


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 40))
def test_it_is_filled_with_the_last_record_before_the_commit(
    rewind: int, more: int, read: int
) -> None:
    made = Assignment(75)
    made.begin(0, at(rewind + more, rewind=rewind))
    silent, due = made.split([record(offset) for offset in range(rewind, rewind + read)])
    assert len(silent) == min(more, read)
    assert len(due) == max(0, read - more)
    assert made.filling == (read < more)
    made.all_filled()
    assert not made.filling


def test_positions_are_of_what_was_read_and_of_the_cameras_that_are_told_of() -> None:
    made = Assignment(75)
    for partition in range(3):
        made.begin(partition, at(5, rewind=5))
    made.in_window(record(5, 1, "gate"), embedding(0, camera_id="gate"))
    made.done(record(5, 1))
    made.knows("door", 2)
    found = made.positions([record(5, 1)], ["door", "never-heard-of"])
    assert {partition: position.offset for partition, position in found.items()} == {1: 6, 2: 5}
    assert unpack_note(found[1].note) == ProgressNote(rewind=5)
    assert unpack_note(found[2].note) == ProgressNote()


def test_before_anything_was_read_there_is_no_position() -> None:
    made = Assignment(75)
    made.begin(0, None)
    made.knows("yard", 0)
    assert made.positions([], ["yard"]) == {}


def test_what_was_put_aside_is_noted_while_it_is_in_the_range() -> None:
    made = Assignment(3)
    made.begin(0, at(2, rewind=2))
    for offset in range(2, 12):
        bad = offset in (3, 9)
        if not bad:
            made.in_window(record(offset), embedding(offset))
        made.done(record(offset), aside=bad)
    assert made.note(0) == ProgressNote(rewind=10, skip=())
    made.done(record(12), aside=True)
    assert made.note(0) == ProgressNote(rewind=10, skip=(12,))
    made.out_of_sight("yard")
    assert made.note(0) == ProgressNote()


def test_a_note_stays_small_though_everything_is_put_aside() -> None:
    made = Assignment(75)
    made.begin(0, at(10**9, rewind=10**9))
    made.in_window(record(10**9), embedding(0))
    for offset in range(10**9 + 1, 10**9 + 1000):
        made.done(record(offset), aside=True)
        note = made.note(0)
    assert len(pack_note(note)) < 4096
    assert len(note.skip) == MOST_PUT_ASIDE
    assert note.rewind == note.skip[0]
    again = Assignment(75)  # and whoever comes next does not go back beyond it
    again.begin(0, Position(10**9 + 1000, pack_note(note)))
    again.in_window(record(10**9), embedding(0))
    assert again.note(0).rewind == note.rewind


def test_cameras_go_with_their_partitions() -> None:
    made = Assignment(75)
    for partition in range(3):
        made.begin(partition, None)
    for camera, partition in (("yard", 0), ("gate", 1), ("door", 2), ("hall", 2)):
        made.knows(camera, partition)
    assert made.end(frozenset({1, 7})) == {"gate"}
    assert set(made.cameras) == {"yard", "door", "hall"}
    made.forget("hall")
    made.forget("never-seen")
    assert made.end_all() == {"yard", "door"}
    assert not made.cameras

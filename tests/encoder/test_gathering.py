"""What waits to be encoded together: how long, in which order, and what of it is looked into."""

from dataclasses import replace

import numpy as np
import pytest

from encoder.config import EncoderConfig
from encoder.gathering import Gathering
from streamer.bus import CLIPS, Record
from streamer.clip import Clip
from streamer.record import pack_clip
from tests.encoder.models import random_clips


class Time:
    """Both clocks."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def gathering(time: Time) -> Gathering:
    return Gathering(3, EncoderConfig(wait_seconds=0.5, stale_seconds=60.0), time, time)


def record(number: int, partition: int = 0, published: float = 100.0, clock="arrival") -> Record:
    frames = random_clips(1, number)[0]
    clip = Clip("door", 1, number, 0.0, 2.0, 2.0, frames, clock)
    return Record(CLIPS.name, partition, number, "door", pack_clip(clip), (), published)


def never(partition: int) -> bool:
    return False


def test_pictures_lie_side_by_side_in_the_order_they_came(gathering: Gathering) -> None:
    gathering.add([record(0)], never)
    gathering.add([record(1), record(2)], never)
    assert (gathering.room, gathering.left_seconds) == (0, 0.0)
    gathered = gathering.take()
    assert [read.record.offset for read in gathered.reads] == [0, 1, 2]
    np.testing.assert_array_equal(gathered.frames, [random_clips(1, n)[0] for n in range(3)])
    assert gathered.unpack_seconds > 0


def test_what_was_taken_is_not_touched_by_what_comes_next(gathering: Gathering) -> None:
    gathering.add([record(0)], never)
    taken = gathering.take().frames
    assert taken is not None
    before = taken.copy()
    gathering.add([record(1)], never)
    np.testing.assert_array_equal(taken, before)
    assert taken.shape[0] == 1


def test_the_clip_produced_first_says_how_long_others_may_join(
    gathering: Gathering, time: Time
) -> None:
    gathering.add([record(0, published=99.9)], never)
    assert gathering.left_seconds == pytest.approx(0.4)
    gathering.add([record(1, published=99.8)], never)
    assert gathering.left_seconds == pytest.approx(0.3)
    time.now += 1.0
    assert gathering.left_seconds == 0.0
    gathering.take()
    gathering.add([record(2, published=time.now)], never)
    assert gathering.left_seconds == pytest.approx(0.5)


def test_what_goes_to_others_leaves_the_rest_in_order(gathering: Gathering) -> None:
    gathering.add([record(0, 7), record(1, 8), record(2, 8)], never)
    gathering.drop(frozenset({7}))
    assert gathering.room == 1
    gathered = gathering.take()
    assert [read.record.offset for read in gathered.reads] == [1, 2]
    assert gathered.frames is None  # its places are no longer those of the clips
    assert [read.clip.index for read in gathered.reads if read.clip] == [1, 2]


def test_once_all_went_to_others_it_begins_anew(gathering: Gathering) -> None:
    gathering.add([record(0, 7)], never)
    gathering.drop(frozenset({7}))
    assert (len(gathering), gathering.room) == (0, 3)
    gathering.add([record(1, 8)], never)
    gathered = gathering.take()
    np.testing.assert_array_equal(gathered.frames, random_clips(1, 1))


def test_of_a_partition_on_trial_nothing_is_looked_into(gathering: Gathering) -> None:
    gathering.add([record(0, 7), record(1, 8)], lambda partition: partition == 7)
    first, second = gathering.take().reads
    assert first.clip is None
    assert second.clip is not None


@pytest.mark.parametrize(
    ("published", "clock", "is_stale"),
    [(39.0, "arrival", True), (40.0, "arrival", False), (39.0, "file", False)],
)
def test_live_clips_that_come_too_late_are_not_unpacked(
    gathering: Gathering, published: float, clock: str, is_stale: bool
) -> None:
    gathering.add([record(0, published=published, clock=clock)], never)
    (read,) = gathering.take().reads
    assert read.is_stale == is_stale
    assert (read.clip is None) == is_stale


def test_records_that_cannot_be_read_wait_for_their_turn(gathering: Gathering) -> None:
    good = record(1)
    gathering.add(
        [replace(good, value=b"?", published=0.0), replace(good, value=None), good], never
    )
    gathered = gathering.take()
    assert [read.clip is None for read in gathered.reads] == [True, True, False]
    assert gathered.frames is None

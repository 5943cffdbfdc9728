"""Clips in shared memory: taken, held, given back; never written while somebody looks at them."""

import gc
import os
from collections.abc import Iterator

import numpy as np
import pytest

from streamer.bus import CLIPS, Message, Record
from streamer.clip import Clip, ClipFormat
from streamer.clip_ring import MOST_SLOTS, ClipRing
from streamer.dead_letter import dead_letter
from streamer.errors import RecordError
from streamer.memory_bus import MemoryBus
from streamer.record import hold, pack_clip, pack_shared, portable, unpack_clip, unpack_head
from tests.streamer.leaks import mapped_rings

FORMAT = ClipFormat(frames=2, width=4, height=3)


class Both:
    """A ring as its writer and its reader have it mapped."""

    def __init__(self, slots: int) -> None:
        file = ClipRing.allocate(FORMAT, slots)
        self.writer, self.reader = ClipRing(file, FORMAT, slots), ClipRing(file, FORMAT, slots)
        os.close(file)

    def write(self, number: int) -> tuple[bytes, int]:
        """A clip that shows the number, and its slot."""
        claimed = self.writer.claim()
        assert claimed is not None
        slot, pixels = claimed
        pixels[:] = number
        clip = Clip("yard", 1000, number, 1.0, 3.0, 3.0, pixels, "arrival")
        return pack_shared(clip, slot, self.writer.generation(slot)), slot


@pytest.fixture
def ring() -> Iterator[Both]:
    before = mapped_rings()
    both = Both(slots=3)
    yield both
    del both.writer, both.reader
    gc.collect()
    assert mapped_rings() == before


def test_what_one_side_writes_the_other_sees_without_a_copy(ring: Both):
    value, _ = ring.write(7)
    assert len(value) < 300
    held = hold(value, ring.reader)
    clip = unpack_clip(held)
    assert (clip.camera_id, clip.index, clip.frames.shape) == ("yard", 7, (2, 3, 4, 3))
    assert (clip.frames == 7).all()
    assert not clip.frames.flags.writeable
    assert unpack_head(held).camera_id == "yard"
    ring.writer.view(0)[:] = 8  # as no writer does
    assert (clip.frames == 8).all()


def test_a_slot_is_free_again_when_the_last_view_of_it_is_gone(ring: Both):
    held = hold(ring.write(1)[0], ring.reader)
    frames = unpack_clip(held).frames[1:]
    del held
    assert ring.writer.taken == 1
    assert (frames == 1).all()
    del frames
    assert ring.writer.taken == 0


def test_the_lowest_slot_is_used_again(ring: Both):
    for number in range(10):
        value, slot = ring.write(number)
        assert slot == 0
        assert (unpack_clip(hold(value, ring.reader)).frames == number).all()


def test_a_full_ring_has_no_room_and_overwrites_nothing(ring: Both):
    held = [hold(ring.write(number)[0], ring.reader) for number in range(3)]
    assert ring.writer.claim() is None
    assert [int(unpack_clip(each).frames[0, 0, 0, 0]) for each in held] == [0, 1, 2]
    del held[1]
    assert ring.write(9)[1] == 1


def test_what_a_writer_took_and_never_told_is_reclaimed(ring: Both):
    held = hold(ring.write(1)[0], ring.reader)
    ring.write(2)
    assert ring.reader.taken == 2
    ring.reader.reclaim()
    assert ring.reader.taken == 1
    assert (unpack_clip(held).frames == 1).all()


def test_an_overwritten_slot_is_noticed(ring: Both):
    value, slot = ring.write(1)
    ring.writer.release(slot)
    ring.write(2)
    with pytest.raises(RecordError, match="overwritten before it was read"):
        hold(value, ring.reader)


def test_a_slot_that_is_overwritten_while_it_is_held_is_noticed(ring: Both):
    value, slot = ring.write(1)
    held = hold(value, ring.reader)
    ring.writer.release(slot)  # as no writer may
    ring.write(2)
    with pytest.raises(RecordError, match="overwritten while it was read"):
        unpack_clip(held)


def test_no_slot_is_held_twice_or_made_up(ring: Both):
    value, _ = ring.write(1)
    held = hold(value, ring.reader)
    with pytest.raises(RecordError, match="not free for it"):
        hold(value, ring.reader)
    clip = unpack_clip(held)
    with pytest.raises(RecordError, match="slot 3"):
        hold(pack_shared(clip, 3, 1), ring.reader)


def test_a_record_that_was_copied_has_no_pixels(ring: Both):
    held = hold(ring.write(1)[0], ring.reader)
    with pytest.raises(RecordError, match="lay in memory of another process"):
        unpack_clip(bytes(held))


def test_a_record_of_another_shape_is_refused(ring: Both):
    value, slot = ring.write(1)
    other = Clip("yard", 1, 0, 1.0, 3.0, 3.0, np.zeros((1, 3, 4, 3), np.uint8), "arrival")
    held = hold(pack_shared(other, slot, ring.writer.generation(slot)), ring.reader)
    assert value != held
    with pytest.raises(RecordError, match="not of the shape"):
        unpack_clip(held)


def test_the_bus_keeps_what_a_record_holds_and_drops_it_with_the_record(ring: Both):
    bus = MemoryBus()
    reader = bus.subscribe(CLIPS.name, "g")
    bus.publish(Message(CLIPS.name, "yard", hold(ring.write(5)[0], ring.reader)))
    (record,) = reader.poll(1.0)
    assert (unpack_clip(record.value or b"").frames == 5).all()
    del record
    assert ring.writer.taken == 1  # not committed: it may be polled again
    reader.commit()
    assert ring.writer.taken == 0
    bus.close()


def test_a_clip_that_is_put_aside_takes_its_pixels_along(ring: Both):
    held = hold(ring.write(3)[0], ring.reader)
    letter = dead_letter(Record(CLIPS.name, 0, 0, "yard", held, (), 0.0), 2, None)
    del held
    assert ring.writer.taken == 0
    assert (unpack_clip(letter.value or b"").frames == 3).all()


def test_what_holds_nothing_is_portable_as_it_is(ring: Both):
    raw = pack_clip(Clip("yard", 1, 0, 1.0, 3.0, 3.0, np.zeros((2, 3, 4, 3), np.uint8), "rtp"))
    assert portable(raw) is raw
    value, slot = ring.write(1)
    held = hold(value, ring.reader)
    ring.writer.release(slot)
    ring.write(2)
    assert portable(held) == value  # damaged: as it came


def test_a_ring_has_a_bounded_number_of_slots():
    for slots in (0, MOST_SLOTS + 1):
        with pytest.raises(ValueError, match="1 to 64 slots"):
            ClipRing.allocate(FORMAT, slots)

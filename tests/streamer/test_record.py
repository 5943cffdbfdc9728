from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamer.clip import Clip
from streamer.errors import RecordError
from streamer.health import CameraHealth, pack_health, unpack_health
from streamer.record import Travels, pack_clip, unpack_clip, unpack_head

CLIP = Clip(
    camera_id="yard",
    session=1_700_000_000_000,
    index=3,
    start=1_700_000_006.0,
    end=1_700_000_008.0,
    seen_until=1_700_000_007.5,
    frames=np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3),
    clock_source="file",
)


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    session, index = draw(st.integers(0, 2**45)), draw(st.integers(0, 2**31))
    start = session / 1000 + 2 * index
    shape = (*draw(st.tuples(*[st.integers(1, 5)] * 3)), 3)
    return Clip(
        camera_id=draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)),
        session=session,
        index=index,
        start=start,
        end=start + 2.0,
        seen_until=start + draw(st.floats(0.01, 2.0)),
        frames=draw(hnp.arrays(np.uint8, shape)),
        clock_source=draw(st.sampled_from(["rtp", "arrival", "file"])),
    )


@given(clips())
def test_a_clip_comes_back_as_it_was(clip: Clip):
    back = unpack_clip(pack_clip(clip))
    np.testing.assert_array_equal(back.frames, clip.frames)
    for field in fields(Clip):
        if field.name != "frames":
            assert getattr(back, field.name) == getattr(clip, field.name)


def test_pixels_are_not_copied():
    value = pack_clip(CLIP)
    frames = unpack_clip(value).frames
    assert not frames.flags.owndata
    assert not frames.flags.writeable
    whole = np.frombuffer(value, np.uint8)
    assert np.shares_memory(frames, whole)


def test_frames_that_are_a_view_are_packed_as_seen():
    turned = replace(CLIP, frames=CLIP.frames[:, ::-1])
    np.testing.assert_array_equal(unpack_clip(pack_clip(turned)).frames, turned.frames)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 3, 4), np.uint8),
        np.zeros((2, 3, 4, 4), np.uint8),
        np.zeros((2, 3, 4, 3), np.float32),
        np.zeros((0, 3, 4, 3), np.uint8),
    ],
)
def test_frames_of_another_shape_are_refused(frames: np.ndarray):
    with pytest.raises(RecordError, match="uint8 \\[T, H, W, 3\\]"):
        pack_clip(replace(CLIP, frames=frames))


def changed(**changes: object) -> bytes:
    record = msgspec.msgpack.decode(pack_clip(CLIP))
    return msgspec.msgpack.encode(record | changes)


def jpegged(**changes: object) -> bytes:
    record = msgspec.msgpack.decode(pack_clip(CLIP, "jpeg"))
    return msgspec.msgpack.encode(record | changes)


def test_fields_of_a_newer_writer_are_ignored():
    assert unpack_clip(changed(extra=1)).index == CLIP.index
    assert unpack_clip(jpegged(extra=[1])).index == CLIP.index


def test_a_clip_as_jpeg_comes_back_but_for_its_finest_grain():
    smooth = replace(CLIP, frames=np.full((3, 16, 24, 3), (200, 40, 90), np.uint8), skipped=2)
    back = unpack_clip(pack_clip(smooth, "jpeg"))
    assert back.frames.shape == smooth.frames.shape
    assert back.frames.dtype == np.uint8
    np.testing.assert_allclose(back.frames.astype(int), smooth.frames.astype(int), atol=3)
    for field in fields(Clip):
        if field.name != "frames":
            assert getattr(back, field.name) == getattr(smooth, field.name)


@pytest.mark.parametrize("travels", ["raw", "jpeg"])
def test_the_head_is_read_without_the_pixels(travels: Travels):
    head = unpack_head(pack_clip(CLIP, travels))
    assert (head.camera_id, head.clock_source) == ("yard", "file")
    assert unpack_head(jpegged(jpegs=[b"no picture"], pixels=b"")) == head
    with pytest.raises(RecordError, match="no clip record"):
        unpack_head(b"?")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "no clip record"),
        (b"\xff\x00garbage", "no clip record"),
        (pack_clip(CLIP)[:-1], "no clip record"),
        (changed(schema=2), "schema 2, and this Watchword reads up to 1"),
        (changed(travels="air"), "no clip record"),
        (changed(travels="shm"), "no shared clip record"),
        (changed(index="3"), "no clip record"),
        (changed(shape=[2, 3, 5]), "holds 2 frames of 5x3 but carries 72 bytes"),
        (changed(shape=[-2, -3, 4]), "but carries"),
        (changed(index=-1), "negative"),
        (changed(skipped=-1), "negative"),
        (jpegged(jpegs=[]), "0 JPEGs for 2 frames"),
        (jpegged(jpegs=[b"no", b"picture"]), "yard' is damaged: JPEG 0 does not decode"),
        (jpegged(shape=[2, 4, 3]), "JPEG 0 is RGB of 4x3, not RGB of 3x4"),
        (jpegged(shape=[2, -3, 4]), "not decoded"),
        (jpegged(shape=[2, 60_000, 60_000]), "2 frames of 60000x60000 are not decoded"),
        (jpegged(travels="raw"), "but carries 0 bytes"),
        (changed(seen_until=0.0), "seen until"),
        (changed(seen_until=float("nan")), "seen until"),
    ],
)
def test_broken_records_are_refused_with_a_sentence(value: bytes, words: str):
    with pytest.raises(RecordError, match=words):
        unpack_clip(value)


@given(st.binary(max_size=200))
def test_no_bytes_break_it_otherwise(value: bytes):
    with pytest.raises(RecordError):
        unpack_clip(value)


def test_health_comes_back_as_it_was():
    health = CameraHealth("yard", "offline", 12.5, "auth", "no")
    assert unpack_health(pack_health(health)) == health
    with pytest.raises(RecordError, match="no health record"):
        unpack_health(b'{"camera_id": "yard", "state": "asleep", "since": 1}')

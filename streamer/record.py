"""Clips as bytes on `watchword.clips.v1`: MessagePack, pixels raw or as JPEGs.

Clips of cameras that another process reads lie in memory that both share, and their record says
only where (`pack_shared`). It means nothing on another machine, so it is no part of the contract.
"""

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.clip import Clip
from streamer.clip_ring import ClipRing, HeldClip
from streamer.errors import RecordError
from streamer.frame import ClockSource
from streamer.schema import RecordDecoder

# raw: within a process; jpeg: between machines, a fraction of the bytes, not quite the same pixels
Travels = Literal["raw", "jpeg"]


class ClipRecord(msgspec.Struct, frozen=True):
    """A clip on the bus; `travels` says how its pixels do."""

    schema: int
    travels: Travels
    camera_id: str
    session: int
    index: int
    start: float
    end: float
    seen_until: float
    clock_source: ClockSource
    shape: tuple[int, int, int]  # T, H, W
    pixels: memoryview  # raw: T * H * W * 3 bytes; jpeg: none
    skipped: int = 0
    watched_since: float = 0.0
    jpegs: tuple[memoryview, ...] = ()  # jpeg: T pictures


class SharedClipRecord(msgspec.Struct, frozen=True):
    """A clip whose pixels lie in a ring (`streamer.clip_ring`): in which slot, as which of all."""

    schema: int
    travels: Literal["shm"]
    camera_id: str
    session: int
    index: int
    start: float
    end: float
    seen_until: float
    clock_source: ClockSource
    shape: tuple[int, int, int]  # T, H, W
    slot: int
    generation: int
    skipped: int = 0
    watched_since: float = 0.0


class ClipHead(msgspec.Struct, frozen=True):
    """What a clip is of, without its pixels."""

    camera_id: str
    clock_source: ClockSource
    schema: int = 1


class _Way(msgspec.Struct):
    travels: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = RecordDecoder(ClipRecord, "clip record", "msgpack")
_shared_decoder = RecordDecoder(SharedClipRecord, "shared clip record", "msgpack")
_way_decoder = RecordDecoder(_Way, "clip record", "msgpack")
_head_decoder = RecordDecoder(ClipHead, "clip record", "msgpack")


def pack_clip(clip: Clip, travels: Travels = "raw") -> bytes:
    """The clip as bytes.

    Raises:
        RecordError: the frames are no uint8 array [T, H, W, 3].
    """
    frames = clip.frames
    _check_frames(frames)
    pixels, jpegs = memoryview(b""), tuple[memoryview, ...]()
    if travels == "raw":
        pixels = np.ascontiguousarray(frames).reshape(-1).data
    else:
        from streamer.jpeg import encode_jpegs  # Pillow: only where clips leave the machine

        jpegs = tuple(memoryview(jpeg) for jpeg in encode_jpegs(frames))
    return _encoder.encode(ClipRecord(travels=travels, pixels=pixels, jpegs=jpegs, **_about(clip)))


def pack_shared(clip: Clip, slot: int, generation: int) -> bytes:
    """The clip as bytes that say where its pixels lie; `hold` must be called where they are read.

    Raises:
        RecordError: the frames are no uint8 array [T, H, W, 3].
    """
    _check_frames(clip.frames)
    return _encoder.encode(
        SharedClipRecord(travels="shm", slot=slot, generation=generation, **_about(clip))
    )


def _about(clip: Clip) -> dict[str, Any]:
    """What a record says of a clip, however its pixels travel."""
    frame_count, height, width, _ = clip.frames.shape
    return {
        "schema": 1,
        "camera_id": clip.camera_id,
        "session": clip.session,
        "index": clip.index,
        "start": clip.start,
        "end": clip.end,
        "seen_until": clip.seen_until,
        "clock_source": clip.clock_source,
        "shape": (frame_count, height, width),
        "skipped": clip.skipped,
        "watched_since": clip.watched_since,
    }


def hold(value: bytes, ring: ClipRing) -> HeldClip:
    """A record of `pack_shared` that keeps its pixels in the ring as long as it lives.

    Raises:
        RecordError: the bytes are no such record, or the pixels are not there any more.
    """
    record = _shared_decoder.decode(value)
    return HeldClip.of(value, ring.lease(record.slot, record.generation))


def portable(value: bytes) -> bytes:
    """The same clip in bytes that hold its pixels, for whoever keeps them or sends them away."""
    if not isinstance(value, HeldClip):
        return value
    try:
        return pack_clip(unpack_clip(value))
    except RecordError:
        return bytes(value)  # as damaged as it came


def unpack_head(value: bytes) -> ClipHead:
    """What the clip is of; its pixels are not looked at.

    Raises:
        RecordError: the bytes are no clip record, or one of a later schema.
    """
    return _head_decoder.decode(value)


def unpack_clip(value: bytes) -> Clip:
    """The clip; frames are a read-only view into `value`, or into what it holds, but for JPEGs.

    Raises:
        RecordError: the bytes are no clip record, one of a later schema, its parts disagree, or
            its pixels lay in memory that is not shared with whoever reads.
    """
    record: ClipRecord | SharedClipRecord
    if _way_decoder.decode(value).travels == "shm":
        record = _shared_decoder.decode(value)
    else:
        record = _decoder.decode(value)
    _check(record)
    frames = _frames(record) if isinstance(record, ClipRecord) else _shared_frames(record, value)
    return Clip(
        camera_id=record.camera_id,
        session=record.session,
        index=record.index,
        start=record.start,
        end=record.end,
        seen_until=record.seen_until,
        frames=frames,
        clock_source=record.clock_source,
        skipped=record.skipped,
        watched_since=record.watched_since,
    )


def _check(record: ClipRecord | SharedClipRecord) -> None:
    name = _name(record)
    if record.index < 0 or record.session < 0 or record.skipped < 0:
        raise RecordError(f"{name} has a negative index, session ({record.session}) or gap.")
    if not record.start < record.seen_until <= record.end:
        raise RecordError(
            f"{name} is seen until {record.seen_until}, which is not within "
            f"{record.start} and {record.end}."
        )


def _frames(record: ClipRecord) -> NDArray[np.uint8]:
    """The pictures [T, H, W, 3]."""
    frame_count, height, width = record.shape
    if record.travels == "raw":
        if min(record.shape) < 1 or len(record.pixels) != frame_count * height * width * 3:
            raise RecordError(
                f"{_name(record)} says it holds {frame_count} frames of {width}x{height} but "
                f"carries {len(record.pixels)} bytes."
            )
        return np.frombuffer(record.pixels, np.uint8).reshape(*record.shape, 3)
    from streamer.jpeg import decode_jpegs  # Pillow: only where clips came from elsewhere

    try:
        return decode_jpegs(record.jpegs, record.shape)
    except RecordError as error:
        raise RecordError(f"{_name(record)} is damaged: {error}") from error


def _shared_frames(record: SharedClipRecord, value: bytes) -> NDArray[np.uint8]:
    """The pictures [T, H, W, 3], where they lie."""
    if not isinstance(value, HeldClip):
        raise RecordError(
            f"{_name(record)} lay in memory of another process, and was not taken from there."
        )
    value.lease.check()
    if (*record.shape, 3) != value.lease.shape:
        raise RecordError(f"{_name(record)} is not of the shape that its memory was made for.")
    return np.asarray(value.lease)


def _check_frames(frames: NDArray[np.uint8]) -> None:
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise RecordError(
            f"A clip's frames must be uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}."
        )


def _name(record: ClipRecord | SharedClipRecord) -> str:
    return f"Clip {record.index} of camera '{record.camera_id}'"

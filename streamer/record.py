"""Clips as bytes on `watchword.clips.v1`: MessagePack, pixels raw."""

from typing import Literal

import msgspec
import numpy as np

from streamer.clip import Clip
from streamer.errors import RecordError
from streamer.frame import ClockSource

SCHEMA = 1


class ClipRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A clip on the bus; `travels` says how its pixels do."""

    schema: int
    travels: Literal["raw"]
    camera_id: str
    session: int
    index: int
    start: float
    end: float
    seen_until: float
    clock_source: ClockSource
    shape: tuple[int, int, int]  # T, H, W
    pixels: memoryview  # T * H * W * 3 bytes
    skipped: int = 0
    watched_since: float = 0.0


class _Envelope(msgspec.Struct):
    schema: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ClipRecord)
_envelope_decoder = msgspec.msgpack.Decoder(_Envelope)


def pack_clip(clip: Clip) -> bytes:
    """The clip as bytes, its pixels raw.

    Raises:
        RecordError: the frames are no uint8 array [T, H, W, 3].
    """
    frames = clip.frames
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise RecordError(
            f"A clip's frames must be uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}."
        )
    frame_count, height, width, _ = frames.shape
    record = ClipRecord(
        schema=SCHEMA,
        travels="raw",
        camera_id=clip.camera_id,
        session=clip.session,
        index=clip.index,
        start=clip.start,
        end=clip.end,
        seen_until=clip.seen_until,
        clock_source=clip.clock_source,
        shape=(frame_count, height, width),
        pixels=np.ascontiguousarray(frames).reshape(-1).data,
        skipped=clip.skipped,
        watched_since=clip.watched_since,
    )
    return _encoder.encode(record)


def unpack_clip(value: bytes) -> Clip:
    """The clip; its frames are a read-only view into `value`, not a copy.

    Raises:
        RecordError: the bytes are no clip record of this version, or its parts disagree.
    """
    try:
        schema = _envelope_decoder.decode(value).schema
        if schema != SCHEMA:
            raise RecordError(
                f"The clip record has schema {schema}, this version reads {SCHEMA}: "
                "run the same version of Watchword in all processes."
            )
        record = _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise RecordError(f"The bytes are no clip record: {error}.") from error
    _check(record)
    return Clip(
        camera_id=record.camera_id,
        session=record.session,
        index=record.index,
        start=record.start,
        end=record.end,
        seen_until=record.seen_until,
        frames=np.frombuffer(record.pixels, np.uint8).reshape(*record.shape, 3),  # [T, H, W, 3]
        clock_source=record.clock_source,
        skipped=record.skipped,
        watched_since=record.watched_since,
    )


def _check(record: ClipRecord) -> None:
    name = f"Clip {record.index} of camera '{record.camera_id}'"
    frame_count, height, width = record.shape
    if min(record.shape) < 1 or len(record.pixels) != frame_count * height * width * 3:
        raise RecordError(
            f"{name} says it holds {frame_count} frames of {width}x{height} but carries "
            f"{len(record.pixels)} bytes."
        )
    if record.index < 0 or record.session < 0:
        raise RecordError(f"{name} has a negative index or session ({record.session}).")
    if not record.start < record.seen_until <= record.end:
        raise RecordError(
            f"{name} is seen until {record.seen_until}, which is not within "
            f"{record.start} and {record.end}."
        )

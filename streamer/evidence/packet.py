"""A packet on its way to a segment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a video track, in the order of decoding; `at` is UTC seconds."""

    data: bytes
    pts: int | None  # in the stream's time base
    dts: int | None
    is_keyframe: bool
    at: float

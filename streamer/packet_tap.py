"""The seam between reading a camera and keeping what it sent: its packets, as they come."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What somebody has to know of a video track to put its packets into a file."""

    codec: str  # FFmpeg's name of it: "h264", "hevc", "mjpeg"
    extradata: bytes | None  # the codec's parameters, as the stream brought them
    time_base: Fraction  # seconds of one unit of `pts` and `dts`
    width: int  # as stored, before turning by the display matrix
    height: int
    display_matrix: bytes = b""  # FFmpeg's, of a stream whose pictures are to be turned


class PacketTap(Protocol):
    """Is given the video packets of a camera, connection by connection.

    Called in the thread that reads the camera: every call returns at once and raises nothing.
    """

    def begin(self, stream: StreamFacts) -> None:
        """A connection stands, or its parameters changed: packets of this kind follow."""

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        """One packet in the order of decoding; `at` is its picture's time, in UTC seconds."""

    def end(self) -> None:
        """The connection is over; also called when none began."""

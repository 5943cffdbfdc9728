"""Packets into a Matroska file, as they are.

Matroska because it holds every codec that cameras send, also MJPEG, and because what was written
of it before a crash can be read.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import BinaryIO

import av
import av.error

from streamer.errors import EvidenceStorageError, SegmentError
from streamer.evidence.annex_b import AnnexB
from streamer.packet_tap import StreamFacts

MILLISECOND = Fraction(1, 1000)
# A segment's beginning lies this far after the file's zero: pictures that are shown before the
# key frame they follow (open groups) have times, too, and decoding times are before showing.
LEAD_MS = 1000
_OPTIONS = {"cluster_time_limit": "1000"}  # milliseconds that a crash may cost


class SegmentWriter:
    """Writes one segment into a file that was opened for writing, unbuffered."""

    def __init__(self, file: BinaryIO, facts: StreamFacts, annex_b: AnnexB) -> None:
        """Nothing is written yet.

        Raises:
            SegmentError: Matroska holds no such codec, or the size is not known.
        """
        self._annex_b = annex_b
        self._newest_ms = 0
        try:
            self._container = av.open(file, "w", format="matroska", options=_OPTIONS)
            self._stream = self._container.add_mux_stream(
                facts.codec, width=facts.width, height=facts.height
            )
            self._stream.time_base = MILLISECOND
        except (av.error.FFmpegError, ValueError) as error:
            raise SegmentError(f"A {facts.codec} stream cannot be kept: {error}.") from error

    def add(self, data: bytes, ms: int, is_keyframe: bool) -> None:
        """The next packet in the order of decoding, `ms` after the segment's beginning.

        Raises:
            EvidenceStorageError: the file does not take it.
        """
        packet = av.Packet(self._annex_b.convert(data, is_keyframe))
        packet.stream = self._stream
        packet.time_base = MILLISECOND
        packet.pts = max(0, ms + LEAD_MS)
        # Matroska keeps no decoding times, but FFmpeg wants them in order and before showing
        self._newest_ms = max(self._newest_ms, packet.pts)
        packet.dts = min(packet.pts, self._newest_ms - LEAD_MS)
        packet.is_keyframe = is_keyframe
        self._tried(lambda: self._container.mux(packet))

    def close(self) -> None:
        """Finish the file, which is not closed.

        Raises:
            EvidenceStorageError: as `add`.
        """
        self._tried(self._container.close)

    def _tried(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise EvidenceStorageError(f"A segment was not written: {error}.") from error

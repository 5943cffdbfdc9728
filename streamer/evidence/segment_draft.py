"""A segment that is being written, until it is kept or given up."""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import EvidenceStorageError
from streamer.evidence.annex_b import AnnexB
from streamer.evidence.media.segment_writer import SegmentWriter
from streamer.evidence.names import OpenSegment
from streamer.evidence.open_segment import OpenFile
from streamer.evidence.packet import Packet
from streamer.evidence.packet_time import PacketTime, end_of
from streamer.packet_tap import StreamFacts

_REORDERED = 32  # pictures that may be decoded before the last one is shown


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is complete, and the time it covers, in UTC milliseconds.

    Until it is closed nobody else takes it.
    """

    file: OpenFile
    start_ms: int
    end_ms: int


class SegmentDraft:
    """Takes packets from the first one on; see `SegmentWriter` for what it raises."""

    def __init__(
        self, folder: Path, segment: OpenSegment, facts: StreamFacts, first: Packet
    ) -> None:
        """Opens the file; nothing is written yet."""
        self.packets = 0  # that were written
        self._start_ms = segment.start_ms
        self._time = PacketTime(facts.time_base, first)
        self._times: deque[int] = deque(maxlen=_REORDERED)
        self._open = OpenFile(folder, segment)
        try:
            annex_b = AnnexB(facts.codec, facts.extradata)
            self._writer = SegmentWriter(self._open.file, facts, annex_b)
        except BaseException:
            self._open.discard()
            raise

    def add(self, packet: Packet) -> None:
        """The next packet in the order of decoding."""
        ms = self._time.ms(packet)
        self._times.append(ms)
        self._writer.add(packet.data, ms, packet.is_keyframe)
        self.packets += 1

    def seconds_until(self, packet: Packet) -> float:
        """How long it would be if it ended before this packet."""
        return packet.at - self._start_ms / 1000

    def went_back(self, packet: Packet) -> bool:
        """Whether the packet is of an earlier time than what is here."""
        return self._time.went_back(packet)

    def finish(self, goes_on_at: float | None) -> Written:
        """The complete file; what comes next begins then (UTC seconds), if it goes on at all."""
        try:
            self._writer.close()
        except EvidenceStorageError:
            self._open.discard()
            raise
        if goes_on_at is not None:
            end_ms = max(self._start_ms + 1, round(goes_on_at * 1000))
        else:
            end_ms = self._start_ms + end_of(self._times)
        return Written(self._open, self._start_ms, end_ms)

    def discard(self) -> None:
        """Give it up."""
        with suppress(EvidenceStorageError):
            self._writer.close()
        self._open.discard()

"""When packets are shown, counted from a segment's beginning."""

from collections.abc import Iterable
from fractions import Fraction

from streamer.evidence.packet import Packet

# By so much media time and clock may differ before the clock is believed: a jump of the stamps
JUMP_MS = 1000

_FRAME_MS = 40  # how long a picture is taken to be shown that is the only one


def end_of(times: Iterable[int]) -> int:
    """When the last of pictures, in any order, stops being shown: as long as the one before it.

    >>> end_of([0, 100, 300, 200])
    400
    """
    ordered = sorted(times)
    last = ordered[-1] - ordered[-2] if len(ordered) > 1 else _FRAME_MS
    return ordered[-1] + max(1, last)


class PacketTime:
    """Milliseconds since a segment's first packet.

    The stream's own stamps are exact; where there are none, or they jump, its clock says when.
    """

    def __init__(self, time_base: Fraction, first: Packet) -> None:
        self._unit_ms = time_base * 1000
        self._start = first.at
        self._anchor = (first.pts, 0)
        self._newest = 0

    def ms(self, packet: Packet) -> int:
        """Of the next packet in the order of decoding; the first one's is 0."""
        by_clock = round((packet.at - self._start) * 1000)
        ms = by_clock
        pts, anchor_ms = self._anchor
        if packet.pts is not None:
            if pts is not None:
                ms = anchor_ms + round((packet.pts - pts) * self._unit_ms)
            if pts is None or abs(ms - by_clock) > JUMP_MS:
                ms = max(by_clock, self._newest + 1)
                self._anchor = (packet.pts, ms)
        self._newest = max(self._newest, ms)
        return ms

    def went_back(self, packet: Packet) -> bool:
        """Whether the clock was set back since: what follows is no part of this segment."""
        return round((packet.at - self._start) * 1000) < self._newest - JUMP_MS

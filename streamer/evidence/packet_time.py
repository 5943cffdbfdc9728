"""When packets are shown, counted from a segment's beginning."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from fractions import Fraction

from streamer.evidence.packet import Packet

# By so much media time and clock may differ from one picture to another: more is a jump of the
# stamps, or of the clock
JUMP_MS = 1000

_FRAME_MS = 40  # how long a picture is taken to be shown that is the only one
_REORDERED = 32  # pictures that may be decoded before one that is shown earlier


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

    A packet that shows something newer is shown when the camera's clock says: that is smooth, and
    right of a camera that stamps 25 fps and sends 21. One that lies before another that came
    (B-frames) is placed by the stream's stamps between its neighbours, so that the order stays.
    """

    def __init__(self, time_base: Fraction, first: Packet) -> None:
        self._unit_ms = time_base * 1000
        self._start = first.at
        self._newest = 0
        # Of the pictures that were newer than all before: stamps, rising, and when they are shown
        self._shown: deque[tuple[int, int]] = deque(maxlen=_REORDERED)
        if first.pts is not None:
            self._shown.append((first.pts, 0))

    def ms(self, packet: Packet) -> int:
        """Of the next packet in the order of decoding; the first one's is 0."""
        by_clock = round((packet.at - self._start) * 1000)
        if packet.pts is None:
            ms = by_clock
        elif self._jumped(packet.pts, by_clock):
            ms = max(by_clock, self._newest + 1)
            self._shown.clear()
            self._shown.append((packet.pts, ms))
        elif packet.pts > self._shown[-1][0]:
            ms = max(by_clock, self._newest + 1)
            self._shown.append((packet.pts, ms))
        else:
            ms = self._between(packet.pts)
        self._newest = max(self._newest, ms)
        return ms

    def went_back(self, packet: Packet) -> bool:
        """Whether the clock was set back since: what follows is no part of this segment."""
        return round((packet.at - self._start) * 1000) < self._newest - JUMP_MS

    def _jumped(self, pts: int, by_clock: int) -> bool:
        if not self._shown:
            return True
        newest_pts, newest_ms = self._shown[-1]
        by_stamp = newest_ms + round((pts - newest_pts) * self._unit_ms)
        return abs(by_stamp - by_clock) > JUMP_MS

    def _between(self, pts: int) -> int:
        """Of a picture that is shown no later than the newest one."""
        after = bisect_right(self._shown, pts, key=lambda shown: shown[0])
        if after == 0:  # before the first: by the stamps alone
            first_pts, first_ms = self._shown[0]
            return first_ms + round((pts - first_pts) * self._unit_ms)
        before_pts, before_ms = self._shown[after - 1]
        if after == len(self._shown):
            return before_ms
        after_pts, after_ms = self._shown[after]
        share = Fraction(pts - before_pts, after_pts - before_pts)
        return before_ms + round((after_ms - before_ms) * share)

"""When a live camera's pictures were seen: noted when a packet comes, asked when it is decoded."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from streamer.clock import JUMP_SECONDS
from streamer.frame import ClockSource
from streamer.live_clock import LiveClock

_KEPT = 1024  # packets that lay ready, or are on their way through a decoder, at most
_LONGEST_REORDER_SECONDS = 1.0

# A packet's raw presentation stamp, media seconds, and when its sender says it was seen
Coming = tuple[int | None, float, float | None]


@dataclass(frozen=True, slots=True)
class Stamp:
    """A picture's time in UTC seconds, by whose clock; another `timeline` begins a session."""

    at: float
    clock_source: ClockSource
    timeline: int


class PacketTimes:
    """Asks the clock for every packet that shows something newer, in the order of decoding.

    A packet that lies before one that came (B-frames) keeps its distance to it: only a camera that
    sends nothing newer for a second has really gone back.
    """

    def __init__(self, clock: LiveClock) -> None:
        self._clock = clock
        self._stamps: OrderedDict[int, Stamp] = OrderedDict()  # by raw presentation stamps
        self._newest: Stamp | None = None
        self._newest_pts = 0.0
        self._newest_came = 0.0

    def note_backlog(self, packets: Sequence[Coming], now: tuple[float, float]) -> None:
        """Packets that lay ready when the stream was opened: only the newest has come just now."""
        stamp = self.note(*max(packets, key=lambda packet: packet[1]), now)
        for key, pts, _ in packets:
            at = stamp.at + pts - self._newest_pts
            self._keep(key, Stamp(at, stamp.clock_source, stamp.timeline))

    def note(
        self, key: int | None, pts: float, sender: float | None, now: tuple[float, float]
    ) -> Stamp:
        """A packet came: its raw stamp, media seconds, and what its sender says it was seen at.

        `now` is the system's clock and a monotonic one.
        """
        behind = self._newest_pts - pts
        is_fresh = now[1] - self._newest_came < _LONGEST_REORDER_SECONDS
        if self._newest and 0 <= behind <= JUMP_SECONDS and is_fresh:
            stamp = self._beside_newest(pts)
        else:
            at, source = self._clock.stamp(pts, sender, now)
            stamp = self._newest = Stamp(at, source, self._clock.timeline)
            self._newest_pts, self._newest_came = pts, now[1]
        self._keep(key, stamp)
        return stamp

    def find(self, key: int | None, pts: float) -> Stamp:
        """The stamp of a picture that was decoded; without one of its own, as near as is known."""
        stamp = None if key is None else self._stamps.get(key)
        return stamp or self._beside_newest(pts)

    def _keep(self, key: int | None, stamp: Stamp) -> None:
        if key is not None:
            self._stamps[key] = stamp
            if len(self._stamps) > _KEPT:
                self._stamps.popitem(last=False)

    def _beside_newest(self, pts: float) -> Stamp:
        assert self._newest is not None, "a picture comes after its packet"
        newest = self._newest
        moved = max(-JUMP_SECONDS, min(0.0, pts - self._newest_pts))
        return Stamp(newest.at + moved, newest.clock_source, newest.timeline)

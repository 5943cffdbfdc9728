"""Clocks: what a live frame's time is, and when a file's pictures were taken."""

from datetime import UTC, datetime

JUMP_SECONDS = 5.0  # design 4: more than this is a jump, up to this a stall is lived with
JUMP_FRAMES = 3  # so many running and the jump is real

_SLEW_SECONDS = 10.0  # an error shrinks to a third in this time
_SENDER_SLEW_SECONDS = 3.0  # the same where the sender says what is right, without jitter
_LARGEST_SLEW = 0.25  # seconds a second
_DRIFT_SECONDS = 20.0  # within a few times that, how fast media time runs is known
_SLOWEST, _FASTEST = -0.5, 3.0  # by which it may be wrong: a camera that lies about its fps


class ArrivalClock:
    """Media time laid onto another clock: that of arrival, or the sender's.

    Arrival alone is bursty (an HLS segment arrives within milliseconds), media time alone drifts
    and jumps. So the distance between the two is slewed, never stepped, but for two cases: a
    silence of more than 5 s, and stamps that jump by more than 5 s while frames keep arriving.
    Frames of such a jump go by arrival; the third running anchors media time anew. How fast media
    time runs is learned: of a camera that stamps 25 fps and sends 21 it is a fifth too slow.
    """

    def __init__(self) -> None:
        self._offset: float | None = None  # at minus pts
        self._drift = 0.0  # seconds a second by which the offset grows
        self._last_pts = 0.0  # of the last frame that was no jump
        self._last_arrival = 0.0
        self._last_at = 0.0
        self._jumps = 0

    def stamp(self, pts: float, arrival: float, sender: float | None = None) -> float:
        """When the frame was seen, UTC seconds: later than every frame before it.

        `arrival` is UTC seconds too, counted by a monotonic clock; `sender` is when the sender
        says that it was seen, and goes before arrival where it is known.
        """
        elapsed, moved = arrival - self._last_arrival, pts - self._last_pts
        target = arrival if sender is None else sender
        if self._offset is None or elapsed > JUMP_SECONDS:
            self._anchor(pts, target)
        elif abs(moved) > JUMP_SECONDS:
            self._jumps += 1
            if self._jumps == JUMP_FRAMES:
                self._anchor(pts, self._last_at + elapsed)
        else:
            self._jumps = 0
            self._last_pts = pts
            patience = _SLEW_SECONDS if sender is None else _SENDER_SLEW_SECONDS
            self._learn(target - (pts + self._offset), max(0.0, min(elapsed, moved)))
            self._slew((target - (pts + self._offset)) / patience, max(elapsed, moved))
        assert self._offset is not None
        at = self._last_at + elapsed if self._jumps else pts + self._offset
        self._last_arrival = arrival
        self._last_at = max(at, self._last_at + 0.001)
        return self._last_at

    def _anchor(self, pts: float, at: float) -> None:
        self._offset = at - pts
        self._last_pts = pts
        self._jumps = 0

    def _learn(self, error: float, seconds: float) -> None:
        """Of the time in which both clocks went on: in bursts, and after them, one rests."""
        drift = self._drift + error * seconds / _DRIFT_SECONDS**2
        self._drift = max(_SLOWEST, min(_FASTEST, drift))

    def _slew(self, rate: float, seconds: float) -> None:
        assert self._offset is not None
        rate = max(-_LARGEST_SLEW, min(_LARGEST_SLEW, rate))
        self._offset += (rate + self._drift) * seconds


class WallClock:
    """UTC that runs at the speed of a monotonic clock and creeps towards the system's.

    The system's clock steps when it is corrected; a step inside a session would tear its clips.
    A difference of more than 5 s on three readings running is taken over at once and counted in
    `steps`: whoever reads must then begin a session.
    """

    def __init__(self, wall: float, monotonic: float) -> None:
        self.steps = 0
        self._now = wall
        self._monotonic = monotonic
        self._strange_readings = 0

    def read(self, wall: float, monotonic: float) -> float:
        """UTC seconds, given what both clocks show now."""
        elapsed = monotonic - self._monotonic
        self._monotonic = monotonic
        self._now += elapsed
        error = wall - self._now
        self._strange_readings = self._strange_readings + 1 if abs(error) > JUMP_SECONDS else 0
        if self._strange_readings >= JUMP_FRAMES:
            self.steps += 1
            self._strange_readings = 0
            self._now = wall
        else:
            most = 0.01 * elapsed  # 1 %: unseen in a clip, and 5 s are gone in 9 minutes
            self._now += max(-most, min(most, error))
        return self._now


class MediaClock:
    """A picture's stamps, in a stream's time base, as seconds since the stream's beginning.

    A missing stamp continues at the frame rate. Old AVI files have presentation stamps that go
    back with every second picture while their decoding stamps are right: the kind that went back
    less often so far is believed (as FFmpeg's own `guess_correct_pts` does).
    """

    def __init__(self, time_base: float, zero: int | None, fps: float | None) -> None:
        self._time_base = time_base
        self._zero = zero
        self._step = 1 / (fps or 25.0)
        self._next = 0.0
        self._pts, self._dts = _StampFaults(), _StampFaults()

    def seconds_of(self, pts: int | None, dts: int | None = None) -> float:
        """When a picture is due, in seconds."""
        pts_faults, dts_faults = self._pts.count(pts), self._dts.count(dts)
        pts_believed = pts is not None and (dts is None or pts_faults <= dts_faults)
        stamp = pts if pts_believed else dts
        if stamp is None:
            seconds = self._next
        else:
            self._zero = stamp if self._zero is None else self._zero
            seconds = (stamp - self._zero) * self._time_base
        self._next = seconds + self._step
        return seconds


class _StampFaults:
    """How often one kind of stamp went back or stood still."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._faults = 0

    def count(self, stamp: int | None) -> int:
        if stamp is not None:
            self._faults += self._last is not None and stamp <= self._last
            self._last = stamp
        return self._faults


def parse_creation_time(text: str | None) -> float | None:
    """A container's creation_time as UTC seconds; None when missing, unreadable or a zero date."""
    if not text:
        return None
    try:
        taken = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    taken = taken if taken.tzinfo else taken.replace(tzinfo=UTC)
    # Cameras without a set clock write their epoch: 1904 (QuickTime), 1970 (Unix), 1980 (FAT).
    return taken.timestamp() if taken.year > 1980 else None

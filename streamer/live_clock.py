"""What time it was when a live camera saw a picture: by the camera's clock, or by arrival."""

from streamer.clock import JUMP_FRAMES, JUMP_SECONDS, ArrivalClock, WallClock
from streamer.frame import ClockSource

AGREEING_SECONDS = 0.05  # a time so near to the sender's is the sender's


class SenderTrust:
    """Whether a sender's clock can be believed: it has to agree with arrival within 5 s.

    No network and no encoder takes longer, so a clock that differs by more is wrong: cameras stand
    hours off, or in 1970. Three pictures running decide, the first alone at the beginning.
    """

    def __init__(self) -> None:
        self.ahead_seconds = 0.0  # of arrival; negative: what the pictures took on their way
        self._believed: bool | None = None  # None: nothing was heard of it
        self._contrary = 0  # pictures running that say otherwise

    @property
    def believed(self) -> bool | None:
        """Whether it is believed; None while the sender has said nothing."""
        return self._believed

    def judge(self, sender: float | None, arrival: float) -> float | None:
        """The sender's time of a picture, UTC seconds, if it is to be believed."""
        if sender is None:
            return None
        self.ahead_seconds = sender - arrival
        # Half as near before it is believed again: one at the limit would change sides for ever
        limit = JUMP_SECONDS / 2 if self._believed is False else JUMP_SECONDS
        fits = abs(self.ahead_seconds) <= limit
        self._contrary = self._contrary + 1 if fits != self._believed else 0
        if self._believed is None or self._contrary >= JUMP_FRAMES:
            self._believed, self._contrary = fits, 0
        return sender if fits and self._believed else None


class LiveClock:
    """The times of one connection's pictures: smooth, in order, the sender's where it is believed.

    `timeline` counts the times that the system's clock was set by more than 5 s: what comes next
    has to begin a session.
    """

    def __init__(self, wall: float, monotonic: float) -> None:
        self.trust = SenderTrust()
        self._wall = WallClock(wall, monotonic)
        self._clock = ArrivalClock()
        self._steps = 0

    @property
    def timeline(self) -> int:
        """How often the system's clock was set."""
        return self._wall.steps

    def stamp(
        self, pts: float, sender: float | None, now: tuple[float, float]
    ) -> tuple[float, ClockSource]:
        """When a picture was seen, UTC seconds, and by whose clock.

        `sender` is what the camera says of it; `now` is the system's clock and a monotonic one.
        """
        arrival = self._wall.read(*now)
        if self._wall.steps != self._steps:
            self._steps, self._clock = self._wall.steps, ArrivalClock()
        believed = self.trust.judge(sender, arrival)
        at = self._clock.stamp(pts, arrival, believed)
        agrees = believed is not None and abs(at - believed) <= AGREEING_SECONDS
        return at, "rtp" if agrees else "arrival"

"""Packets of a file that plays as a camera, at the times when they are played."""

import time
from collections import deque
from collections.abc import Callable

from streamer.evidence.packet import Packet
from streamer.packet_tap import PacketTap, StreamFacts

_MOST_WAITING = 32 * 1024 * 1024  # bytes, until a camera's first picture
_AGREE_SECONDS = 0.5  # a file that was held up, or began anew, is further off


class PlayedTap:
    """Hands packets on once it is known when the pictures around them are shown.

    A live camera's are handed on as they come, from the first picture on. A file's carry the
    file's own time until they are played: `shown` tells it, picture by picture.
    """

    def __init__(self, tap: PacketTap, clock: Callable[[], float] = time.time) -> None:
        self._tap = tap
        self._clock = clock
        self._waiting: deque[StreamFacts | Packet] = deque()
        self._bytes = 0
        self._is_live = False
        self._shift: float | None = None  # from the file's time to when it is played

    def begin(self, stream: StreamFacts) -> None:
        """See `PacketTap.begin`."""
        if self._is_live:
            self._tap.begin(stream)
        else:
            self._waiting.append(stream)

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        """See `PacketTap.packet`."""
        if self._is_live:
            self._tap.packet(data, pts, dts, is_keyframe, at)
        elif self._bytes < _MOST_WAITING:
            self._waiting.append(Packet(data, pts, dts, is_keyframe, at))
            self._bytes += len(data)

    def end(self) -> None:
        """See `PacketTap.end`."""
        if self._is_live or self._shift is not None:
            self._hand_on(self._shift or 0.0)
        self._waiting.clear()
        self._bytes = 0
        self._shift = None
        self._tap.end()

    def shown(self, at: float, is_file: bool) -> None:
        """A picture of that time was just shown: what came until now can be handed on."""
        if not is_file:
            if not self._is_live:
                self._is_live = True
                self._hand_on(0.0)
            return
        shift = self._clock() - at
        if self._shift is None or abs(shift - self._shift) > _AGREE_SECONDS:
            self._shift = shift
        self._hand_on(self._shift)

    def _hand_on(self, shift: float) -> None:
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, StreamFacts):
                self._tap.begin(item)
            else:
                at = item.at + shift
                self._tap.packet(item.data, item.pts, item.dts, item.is_keyframe, at)
        self._bytes = 0

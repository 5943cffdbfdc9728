"""Packets of a file that plays as a camera, at the times when they are played."""

import time
from collections import deque
from collections.abc import Callable

from streamer.clock import JUMP_SECONDS
from streamer.evidence.packet import Packet
from streamer.evidence.tally import EvidenceTally
from streamer.packet_tap import PacketTap, StreamFacts

_MOST_WAITING = 32 * 1024 * 1024  # bytes, until the next picture is shown
# What is played follows the clock as it is set, by so many seconds a second: see `WallClock`
_CREEP = 0.01


class PlayedTap:
    """Hands packets on once it is known when the pictures around them are shown.

    A live camera's are handed on as they come, from the first picture on. A file's carry the
    file's own time until they are played: `shown` tells it, picture by picture. When the first
    one is shown says when all are due (`pace.py` plays them so): one that is late, because the
    machine was busy, moves no other. Only what is later than that waits for nobody: it begins anew.
    """

    def __init__(
        self,
        tap: PacketTap,
        clock: Callable[[], float] = time.time,
        tally: EvidenceTally | None = None,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        """Packets that find no room, of `most_waiting` bytes, are counted as `tally.waited`."""
        self._tap = tap
        self._clock = clock
        self._tally = tally if tally is not None else EvidenceTally()
        self._most_waiting = most_waiting
        self._facts: StreamFacts | None = None
        self._is_broken = False  # what comes needs packets that found no room
        self._shown_at = 0.0  # the newest picture's, in the file's time
        self._waiting: deque[StreamFacts | Packet] = deque()
        self._bytes = 0
        self._is_live = False
        self._shift: float | None = None  # from the file's time to when it is played

    def begin(self, stream: StreamFacts) -> None:
        """See `PacketTap.begin`."""
        if self._is_live:
            self._tap.begin(stream)
            return
        self._facts, self._is_broken = stream, False
        self._waiting.append(stream)

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        """See `PacketTap.packet`."""
        if self._is_live:
            self._tap.packet(data, pts, dts, is_keyframe, at)
        else:
            self._wait(Packet(data, pts, dts, is_keyframe, at))

    def end(self) -> None:
        """See `PacketTap.end`."""
        if self._is_live or self._shift is not None:
            self._hand_on(self._shift or 0.0)
        self._waiting.clear()
        self._bytes = 0
        self._shift, self._facts = None, None
        self._tap.end()

    def shown(self, at: float, is_file: bool) -> None:
        """A picture of that time was just shown: what came until now can be handed on."""
        if not is_file:
            if not self._is_live:
                self._is_live = True
                self._hand_on(0.0)
            return
        now = self._clock()
        late = 0.0 if self._shift is None else now - at - self._shift
        if self._shift is None or abs(late) > JUMP_SECONDS:
            self._shift = now - at
        else:
            most = _CREEP * max(0.0, at - self._shown_at)
            self._shift += max(-most, min(most, late))
        self._shown_at = at
        self._hand_on(self._shift)

    def _wait(self, packet: Packet) -> None:
        """For the next picture; after one found no room so does none up to a key frame."""
        has_room = self._bytes + len(packet.data) <= self._most_waiting
        if not has_room or (self._is_broken and not packet.is_keyframe):
            self._is_broken = True
            self._tally.waited += 1
            return
        if self._is_broken and self._facts is not None:
            self._waiting.append(self._facts)  # it begins anew here
        self._is_broken = False
        self._waiting.append(packet)
        self._bytes += len(packet.data)

    def _hand_on(self, shift: float) -> None:
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, StreamFacts):
                self._tap.begin(item)
            else:
                at = item.at + shift
                self._tap.packet(item.data, item.pts, item.dts, item.is_keyframe, at)
        self._bytes = 0

"""The packets of a live source with the times of their pictures."""

import logging
import time
from collections.abc import Iterator

from streamer.errors import SourceError
from streamer.ffmpeg.decoding import Reading, VideoPacket, read_packets
from streamer.ffmpeg.opening import Opened
from streamer.ffmpeg.sender_times import SenderTimes
from streamer.live_clock import LiveClock
from streamer.packet_times import PacketTimes, Stamp

_WAITED_SECONDS = 0.01  # a packet that took so long was waited for, and did not lie ready
_MOST_READY = 1000  # packets; a source that comes as fast as it is read always lies ready

_log = logging.getLogger(__name__)


class DatedPackets:
    """The packets of one connection as they come, each with its media seconds and its stamp.

    FFmpeg reads some seconds of a stream ahead while it opens it. Those packets lie ready and say
    nothing about arrival: they are counted back from the first that was waited for.
    """

    def __init__(self, source: Opened, reading: Reading) -> None:
        self._media = source.media_clock()
        self._sender = SenderTimes(source, reading.address)
        self._clock = LiveClock(time.time(), time.monotonic())
        self._times = PacketTimes(self._clock)
        self._packets = read_packets(source, reading)
        self._opening_seconds = source.seconds
        self._camera_id = reading.options.camera_id
        self._believed: bool | None = None

    def __iter__(self) -> Iterator[tuple[VideoPacket, float, Stamp]]:
        """Raises SourceError when the source broke off."""
        ready, fault = self._take_ready()
        coming = [(one, pts, self._sender.of(one, pts)) for one, pts in ready]
        if coming:
            backlog = [(one.pts, pts, sender) for one, pts, sender in coming]
            self._times.note_backlog(backlog, _now())
        for packet, pts, _ in coming:
            yield packet, pts, self._times.find(packet.pts, pts)
        if fault:
            raise fault
        for packet in self._packets:
            pts = self._seconds(packet)
            stamp = self._times.note(packet.pts, pts, self._sender.of(packet, pts), _now())
            self._say()
            yield packet, pts, stamp

    def find(self, key: int | None, pts: float) -> Stamp:
        """The stamp of a decoded picture, by its raw stamp and its media seconds."""
        return self._times.find(key, pts)

    def _take_ready(self) -> tuple[list[tuple[VideoPacket, float]], SourceError | None]:
        """What lies ready and the packet after it, and how the source broke off meanwhile."""
        ready: list[tuple[VideoPacket, float]] = []
        while len(ready) < _MOST_READY:
            began = time.monotonic()
            try:
                packet = next(self._packets, None)
            except SourceError as error:
                return ready, error
            if packet is None:
                break
            ready.append((packet, self._seconds(packet)))
            waited = time.monotonic() - began > _WAITED_SECONDS
            if waited or ready[-1][1] - ready[0][1] > self._opening_seconds + 1.0:
                break
        return ready, None

    def _seconds(self, packet: VideoPacket) -> float:
        return self._media.seconds_of(packet.dts if packet.pts is None else packet.pts)

    def _say(self) -> None:
        trust = self._clock.trust
        if trust.believed is self._believed:
            return
        if not trust.believed:
            _log.warning(
                "camera %s: its clock is %.1f s %s, so its pictures are dated when they come: "
                "set its clock by NTP.",
                self._camera_id,
                abs(trust.ahead_seconds),
                "fast" if trust.ahead_seconds > 0 else "slow",
            )
        elif self._believed is not None:
            _log.info("camera %s: its clock is right again.", self._camera_id)
        self._believed = trust.believed


def _now() -> tuple[float, float]:
    return time.time(), time.monotonic()

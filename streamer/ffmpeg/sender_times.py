"""What an RTSP camera says of when its pictures were seen, from its RTCP sender reports.

FFmpeg puts a report's time on each packet that comes after the first one
(`AV_PKT_DATA_PRFT`), and the time of the stream's zero on the container
(`AVFormatContext.start_time_realtime`): that holds for the packets before it too, which FFmpeg
reads ahead while it opens the stream. Cameras send a first report within some seconds.
"""

import struct

from av.packet import Packet
from av.video.stream import VideoStream

from streamer.address import Address
from streamer.ffmpeg.opening import Opened

_REFERENCE_TIME = struct.Struct("=q")  # AVProducerReferenceTime: microseconds of UTC, then flags


class SenderTimes:
    """The sender's times of one connection, as far as it sends any."""

    def __init__(self, source: Opened, address: Address) -> None:
        self._container = source.container
        self._speaks = address.scheme in ("rtsp", "rtsps")
        self._zero_seconds = 0.0  # the stream's own time of media second 0
        stream = source.stream
        if stream.start_time is not None and stream.time_base is not None:
            self._zero_seconds = float(stream.start_time * stream.time_base)
        self._offset: float | None = None  # UTC minus media seconds, by the newest report

    def of(self, packet: "Packet[VideoStream]", pts: float) -> float | None:
        """When a packet's picture was seen, UTC seconds; `pts` is its media time in seconds."""
        if not self._speaks:
            return None
        if packet.has_sidedata("prft"):
            (microseconds,) = _REFERENCE_TIME.unpack_from(bytes(packet.get_sidedata("prft")))
            self._offset = microseconds / 1e6 - pts
        if self._offset is not None:
            return pts + self._offset
        zero = self._container.start_time_realtime
        return None if zero is None else zero / 1e6 + self._zero_seconds + pts

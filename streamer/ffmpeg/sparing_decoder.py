"""Decoding no more packets than the clips need."""

import logging

from av.video.frame import VideoFrame

from streamer.decode_plan import DecodePlan
from streamer.ffmpeg.decoding import Reading, VideoPacket, decode, prepare
from streamer.ffmpeg.opening import Opened

_log = logging.getLogger(__name__)


class SparingDecoder:
    """Decodes no more packets than the clips need."""

    def __init__(self, source: Opened, reading: Reading) -> None:
        options = reading.options
        context = prepare(source, options)
        self._plan = DecodePlan(
            options.decode, options.clip_format, context.name, context.extradata
        )
        self._reading = reading
        self._said = self._plan.in_use

    def decode(self, packet: VideoPacket, pts: float) -> list[VideoFrame]:
        """The pictures that a packet of that media time completes."""
        # The empty packet at the end brings what the decoder still holds
        if packet.size and not self._plan.judge(pts, packet.is_keyframe, memoryview(packet)):
            self._reading.tally.skipped += 1
            return []
        pictures = decode(packet, self._reading)
        if self._plan.in_use != self._said:
            self._said = self._plan.in_use
            _log.info(
                "camera %s: decodes %s from now on; key frames come every %.2f s.",
                self._reading.options.camera_id,
                "key frames" if self._said == "keyframes" else "what other pictures are made from",
                self._plan.keyframe_seconds or 0.0,
            )
        return pictures

"""Decoding no more packets than the clips need."""

import logging

from av.video.frame import VideoFrame

from streamer.decode_plan import DecodePlan
from streamer.ffmpeg.decoding import Reading, VideoPacket, decode, drain, prepare
from streamer.ffmpeg.opening import Opened

_DONE = {
    "all": "every picture",
    "nonref": "the pictures that others are made from",
    "keyframes": "key frames alone",
}

_log = logging.getLogger(__name__)


class SparingDecoder:
    """The decoder of one connection, and its plan."""

    def __init__(self, source: Opened, reading: Reading) -> None:
        options = reading.options
        self._context = prepare(source, reading)
        codec, extradata = self._context.name, self._context.extradata
        self._plan = DecodePlan(options.decode, options.clip_format, codec, extradata)
        self._reading = reading
        self._said = self._plan.in_use

    def decode(self, packet: VideoPacket, pts: float) -> list[VideoFrame]:
        """The pictures that a packet of that media time completes."""
        if not packet.size:  # the end: what the decoder still holds
            return decode(packet, self._reading)
        needed = self._plan.judge(pts, packet.is_keyframe, memoryview(packet))
        pictures = []
        if self._plan.in_use != self._said:
            self._say()
            # It must not miss what is left out from now on
            pictures = drain(self._context, self._reading)
        if not needed:
            self._reading.tally.skipped += 1
            return pictures
        pictures += decode(packet, self._reading)
        if self._plan.in_use == "keyframes":
            pictures += drain(self._context, self._reading)
        return pictures

    def _say(self) -> None:
        self._said = self._plan.in_use
        _log.info(
            "camera %s: decodes %s from now on; key frames come every %.2f s.",
            self._reading.options.camera_id,
            _DONE[self._said],
            self._plan.keyframe_seconds or 0.0,
        )

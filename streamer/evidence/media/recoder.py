"""Packets coded anew as H.264: where pictures must be painted over, or nobody could play them."""

from collections.abc import Callable, Iterator
from typing import cast

import av
import av.error
from av.packet import Packet as CodedPacket
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from streamer.errors import SegmentError
from streamer.evidence.media.packets import VideoPacket
from streamer.evidence.media.pictures import make_decoder
from streamer.evidence.media.segment_writer import MILLISECOND
from streamer.evidence.packet import Packet
from streamer.packet_tap import StreamFacts

PIXELS = "yuv420p"
_ENCODER = "libx264"
_OPTIONS = {"preset": "superfast", "tune": "zerolatency", "crf": "23", "forced-idr": "1"}
_KEY_FRAME_MS = 2000

Paint = Callable[[VideoFrame], VideoFrame]


class Recoder:
    """Decodes the packets of one stream and codes what `paint` makes of their pictures (yuv420p).

    A picture that does not decode is left out: what was not painted never gets through. Give the
    packets of a connection from a key frame on.
    """

    def __init__(self, facts: StreamFacts, paint: Paint | None = None) -> None:
        """Raises SegmentError if this FFmpeg does not decode the stream, or code H.264."""
        self._decoder = make_decoder(facts)
        self._paint = paint
        self._encoder: VideoCodecContext | None = None
        self._newest_ms = -1
        self._key_ms = 0
        if _ENCODER not in av.codecs_available:
            raise SegmentError(
                f"This FFmpeg has no {_ENCODER}, so what has to be coded anew is not kept."
            )

    def code(self, packet: Packet) -> Iterator[StreamFacts | Packet]:
        """What the packet gives: packets, and before the first of another size what they are."""
        coded = cast("VideoPacket", CodedPacket(packet.data))
        coded.pts, coded.time_base = round(packet.at * 1000), MILLISECOND
        coded.is_keyframe = packet.is_keyframe
        yield from self._code(coded)

    def finish(self) -> Iterator[StreamFacts | Packet]:
        """What is still inside."""
        yield from self._code(None)
        yield from self._drain()

    def _code(self, packet: "VideoPacket | None") -> Iterator[StreamFacts | Packet]:
        try:
            pictures = self._decoder.decode(packet)
        except (av.error.FFmpegError, ValueError):
            return
        for picture in pictures:
            yield from self._encode(picture)

    def _encode(self, decoded: VideoFrame) -> Iterator[StreamFacts | Packet]:
        ms = max(self._newest_ms + 1, decoded.pts if decoded.pts is not None else 0)
        try:
            # Half as much colour each way: no odd sizes
            picture = decoded.reformat(decoded.width & ~1, decoded.height & ~1, PIXELS)
            if self._paint is not None:
                picture = self._paint(picture)
            encoder = self._encoder
            if encoder is None or (encoder.width, encoder.height) != (
                picture.width,
                picture.height,
            ):
                yield from self._drain()
                encoder = self._encoder = _make_encoder(picture)
                self._key_ms = ms - _KEY_FRAME_MS
                yield StreamFacts("h264", None, MILLISECOND, picture.width, picture.height)
            is_key = ms - self._key_ms >= _KEY_FRAME_MS
            picture.pict_type = PictureType.I if is_key else PictureType.NONE
            picture.pts, picture.time_base = ms, MILLISECOND
            coded = encoder.encode(picture)
        except (av.error.FFmpegError, ValueError) as error:
            raise SegmentError(f"A picture was not coded anew: {error}.") from error
        self._newest_ms, self._key_ms = ms, ms if is_key else self._key_ms
        yield from map(_packet, coded)

    def _drain(self) -> Iterator[Packet]:
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        try:
            coded = encoder.encode(None)
        except (av.error.FFmpegError, ValueError) as error:
            raise SegmentError(f"Pictures were not coded anew: {error}.") from error
        yield from map(_packet, coded)


def _make_encoder(picture: VideoFrame) -> VideoCodecContext:
    encoder = av.CodecContext.create(_ENCODER, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt = PIXELS
    encoder.time_base = MILLISECOND
    encoder.gop_size = 1 << 20  # key frames come when they are asked for
    encoder.max_b_frames = 0
    encoder.thread_count = 1
    encoder.options = dict(_OPTIONS)
    return encoder


def _packet(coded: VideoPacket) -> Packet:
    assert coded.pts is not None
    return Packet(bytes(coded), coded.pts, coded.dts, coded.is_keyframe, coded.pts / 1000)

"""Single pictures out of packets and files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from streamer.errors import SegmentError
from streamer.evidence.media.packets import opened_segment
from streamer.packet_tap import StreamFacts


def make_decoder(facts: StreamFacts) -> VideoCodecContext:
    """A decoder of the stream, with one thread.

    Raises:
        SegmentError: this FFmpeg does not decode it.
    """
    try:
        context = av.CodecContext.create(facts.codec, "r")
    except (av.error.FFmpegError, ValueError) as error:
        raise SegmentError(f"A {facts.codec} stream cannot be decoded: {error}.") from error
    assert isinstance(context, VideoCodecContext)
    context.extradata = facts.extradata or None
    context.thread_count = 1
    return context


def decode_keyframe(facts: StreamFacts, data: bytes, width: int) -> NDArray[np.uint8]:
    """The picture of a key frame [H, W, 3], at most so wide.

    Raises:
        SegmentError: it does not decode.
    """
    decoder = make_decoder(facts)
    try:
        pictures = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
        if not pictures:
            raise SegmentError("A key frame gave no picture.")
        return shrink(pictures[0], width)
    except (av.error.FFmpegError, ValueError) as error:
        raise SegmentError(f"A key frame does not decode: {error}.") from error


def pictures_at(path: Path, seconds: Sequence[float], width: int) -> list[NDArray[np.uint8]]:
    """The pictures [H, W, 3] that a clip shows at these times, at most so wide.

    Raises:
        SegmentError: the file cannot be read, or gives no picture for one of them.
    """
    with opened_segment(path) as (container, stream):
        stream.thread_type = "SLICE"
        found = []
        for at in seconds:
            try:
                container.seek(max(0, round(at * 1_000_000)))
                found.append(shrink(_shown_at(container.decode(stream), at), width))
            except (av.error.FFmpegError, ValueError) as error:
                raise SegmentError(f"{path.name} does not decode: {error}.") from error
    return found


def _shown_at(pictures: Iterator[VideoFrame], at: float) -> VideoFrame:
    """The last one that begins no later, of pictures from a key frame on."""
    shown = None
    for picture in pictures:
        if shown is not None and picture.time is not None and picture.time > at + 0.0005:
            break
        shown = picture
    if shown is None:
        raise ValueError("no picture")
    return shown


def shrink(picture: VideoFrame, width: int) -> NDArray[np.uint8]:
    """The picture as RGB [H, W, 3], at most so wide."""
    to_width = min(width, picture.width)
    to_height = max(1, round(picture.height * to_width / picture.width))
    small = picture.reformat(to_width, to_height, "rgb24", interpolation="AREA")
    return np.asarray(small.to_ndarray(), np.uint8)

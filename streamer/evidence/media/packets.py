"""Reading segments: what they hold, without decoding it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streamer.errors import SegmentError
from streamer.evidence.media.segment_writer import LEAD_MS
from streamer.evidence.packet_time import end_of

VideoPacket: TypeAlias = "Packet[VideoStream]"  # quoted: at run time it takes no parameters


@dataclass(frozen=True, slots=True)
class PacketFacts:
    """A packet's time in milliseconds, in the order of decoding."""

    ms: int
    is_keyframe: bool


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What two files must have in common to be put together."""

    codec: str
    extradata: bytes
    width: int
    height: int


TimedPacket: TypeAlias = "tuple[PacketFacts, VideoPacket]"


@contextmanager
def opened_segment(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A segment's container and video track.

    Raises:
        SegmentError: it is empty or no video.
    """
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SegmentError(f"The segment {path.name} cannot be read: {error}.") from error
    try:
        if not container.streams.video:
            raise SegmentError(f"The segment {path.name} holds no video.")
        yield container, container.streams.video[0]
    finally:
        container.close()


def timed_packets(
    container: InputContainer, stream: VideoStream, begin_ms: int
) -> Iterator[TimedPacket]:
    """The packets of a segment that begins at a time, with theirs; a damaged end is left out."""
    try:
        for packet in container.demux(stream):
            if packet.pts is not None and packet.time_base is not None and packet.size:
                ms = begin_ms - LEAD_MS + round(packet.pts * packet.time_base * 1000)
                yield PacketFacts(ms, packet.is_keyframe), packet
    except av.error.FFmpegError:
        return


def read_segment_file(path: Path, begin_ms: int) -> tuple[TrackFacts, list[PacketFacts]]:
    """What a segment holds.

    Raises:
        SegmentError: it is empty, no video, or holds not one packet.
    """
    with opened_segment(path) as (container, stream):
        context = stream.codec_context
        facts = TrackFacts(
            context.codec.canonical_name, context.extradata or b"", context.width, context.height
        )
        packets = [packet for packet, _ in timed_packets(container, stream, begin_ms)]
    if not packets:
        raise SegmentError(f"The segment {path.name} holds no pictures.")
    return facts, packets


def span_of(packets: list[PacketFacts]) -> tuple[int, int]:
    """When the first picture and the end of the last one are, in milliseconds."""
    times = [packet.ms for packet in packets]
    return min(times), end_of(times)

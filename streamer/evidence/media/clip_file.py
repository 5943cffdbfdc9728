"""Packets into an MP4: as they are where browsers play them so, else coded anew as H.264."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet as CodedPacket

from streamer.evidence.media.packets import TimedPacket, TrackFacts
from streamer.evidence.media.recoder import Recoder
from streamer.evidence.media.segment_writer import MILLISECOND
from streamer.evidence.packet import Packet
from streamer.evidence.packet_time import end_of
from streamer.packet_tap import StreamFacts

COPIED = {"h264", "hevc", "av1", "vp9", "mpeg4"}
_TAGS = {"hevc": "hvc1"}  # Apple's players want the parameter sets in front
_OPTIONS = {"movflags": "faststart"}


def copy_packets(
    packets: Iterable[TimedPacket], facts: TrackFacts, shown: Sequence[int], target: Path
) -> None:
    """The packets as they are; `shown` are their times in milliseconds, in the same order."""
    zero = min(shown)
    decoding, lasting = decoding_times([at - zero for at in shown]), durations(shown)
    with _opened(target) as output:
        stream = None
        for (timed, packet), decoded_at in zip(packets, decoding, strict=True):
            if stream is None:
                stream = output.add_stream_from_template(packet.stream, opaque=True)
                stream.time_base = MILLISECOND
                if facts.codec in _TAGS:
                    stream.codec_context.codec_tag = _TAGS[facts.codec]
            packet.stream = stream
            packet.time_base = MILLISECOND
            packet.pts, packet.dts = timed.ms - zero, decoded_at
            packet.duration = lasting[timed.ms]
            output.mux(packet)


def recode_packets(
    packets: Iterable[TimedPacket], facts: TrackFacts, shown: Sequence[int], target: Path
) -> None:
    """The pictures of the packets as H.264; `shown` as above."""
    zero, lasting = min(shown), durations(shown)
    recoder = Recoder(
        StreamFacts(facts.codec, facts.extradata, MILLISECOND, facts.width, facts.height)
    )
    with _opened(target) as output:
        stream = None
        for item in _recoded(recoder, packets):
            if isinstance(item, StreamFacts):  # packets of one segment's kind: it comes once
                size = {"width": item.width, "height": item.height}
                stream = stream or output.add_mux_stream("h264", **size)
                stream.time_base = MILLISECOND
            else:
                assert stream is not None
                packet = CodedPacket(item.data)
                packet.stream = stream
                packet.time_base = MILLISECOND
                ms = round(item.at * 1000)
                packet.pts = packet.dts = ms - zero
                packet.duration = lasting.get(ms, 1)
                packet.is_keyframe = item.is_keyframe
                output.mux(packet)


def _recoded(recoder: Recoder, packets: Iterable[TimedPacket]) -> Iterator[StreamFacts | Packet]:
    for timed, packet in packets:
        came = Packet(bytes(packet), None, None, timed.is_keyframe, timed.ms / 1000)
        yield from recoder.code(came)
    yield from recoder.finish()


def _opened(target: Path) -> OutputContainer:
    return av.open(str(target), "w", format="mp4", options=_OPTIONS)


def durations(shown: Sequence[int]) -> dict[int, int]:
    """How long pictures are shown, by when they are: until the next one.

    A last picture of no duration would not be shown by all.
    """
    times = sorted(set(shown))
    return dict(zip(times, (b - a for a, b in pairwise([*times, end_of(times)])), strict=True))


def decoding_times(shown: Sequence[int]) -> list[int]:
    """When packets are decoded, from when they are shown, in the order of decoding.

    Rising, and never later than they are shown; the first may be below zero.

    >>> decoding_times([0, 30, 10, 20])
    [-20, -10, 0, 10]
    """
    rising: list[int] = []
    for at in sorted(shown):
        rising.append(max(at, rising[-1] + 1) if rising else at)
    delay = max((one - at for one, at in zip(rising, shown, strict=True)), default=0)
    return [one - delay for one in rising]

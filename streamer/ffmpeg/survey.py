"""Looking at a source for a while: what it says of itself, and what it really sends."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from av.video.frame import VideoFrame

from streamer.address import Address
from streamer.config import ReadOptions
from streamer.decode_plan import DecodePlan
from streamer.errors import SourceLostError
from streamer.ffmpeg.decoding import Reading, VideoPacket, decode, prepare, read_packets
from streamer.ffmpeg.opening import Opened, opened
from streamer.ffmpeg.packet_dates import DatedPackets
from streamer.frame import ClockSource
from streamer.source_facts import ReadTally, SourceFacts, SourceSurvey
from streamer.source_fault import explain_undecodable


@dataclass(slots=True)
class _Seen:
    """Packets by their media seconds."""

    began: float  # monotonic
    first: VideoFrame | None = None
    first_after: float = 0.0  # seconds
    times: list[float] = field(default_factory=list)
    keyframes: list[float] = field(default_factory=list)
    clock_source: ClockSource = "file"

    @property
    def seconds(self) -> float:
        """How long what was seen lasts, but for its last picture."""
        return max(self.times) - min(self.times) if self.times else 0.0

    @property
    def fps(self) -> float | None:
        """Pictures a second, as they came."""
        return (len(self.times) - 1) / self.seconds if self.seconds else None

    @property
    def keyframe_seconds(self) -> float | None:
        """The longest distance between two key frames."""
        pairs = zip(self.keyframes, self.keyframes[1:], strict=False)
        return max((after - before for before, after in pairs), default=None)


def survey_one(address: Address, options: ReadOptions, seconds: float) -> SourceSurvey:
    """See `streamer.source.survey`."""
    began = time.monotonic()
    reading = Reading(address, options, ReadTally())
    with opened(address, options, reading.card.choose()) as source:
        context = prepare(source, reading)
        plan = DecodePlan(options.decode, options.clip_format, context.name, context.extradata)
        seen = _look(source, reading, plan, _Seen(began), seconds)
        if seen.first is None:
            raise explain_undecodable(address)
        return SourceSurvey(
            facts=facts_of(source, reading, seen.first),
            first_picture_seconds=seen.first_after,
            seconds=seen.seconds,
            measured_fps=seen.fps,
            keyframe_seconds=seen.keyframe_seconds,
            clock_source=seen.clock_source,
            has_sound=bool(source.container.streams.audio),
            decode=plan.in_use if source.live else "all",
            decoder_name=context.codec.name,
        )


def facts_of(source: Opened, reading: Reading, first: VideoFrame) -> SourceFacts:
    """What a source says of itself, its first picture included."""
    container, stream, context = source.container, source.stream, source.stream.codec_context
    length = None if source.live or not container.duration else container.duration / 1e6
    return SourceFacts(
        codec=context.name,
        width=context.width,
        height=context.height,
        fps=float(stream.average_rate) if stream.average_rate else None,
        seconds=length,
        start=None if source.live else source.file_start(reading.address, reading.options),
        pixel_format=first.format.name,
        rotation=first.rotation,
        live=source.live,
        decoder=reading.tally.decoder,
        card_refusal=reading.tally.card_refusal,
    )


def _look(source: Opened, reading: Reading, plan: DecodePlan, seen: _Seen, seconds: float) -> _Seen:
    until = time.monotonic() + seconds
    try:
        for packet, pts, clock_source in _packets(source, reading):
            if packet.size:
                seen.times.append(pts)
                seen.clock_source = clock_source
                if packet.is_keyframe:
                    seen.keyframes.append(pts)
                plan.judge(pts, packet.is_keyframe, memoryview(packet))
            if seen.first is None:
                seen.first = next(iter(decode(packet, reading)), None)
                seen.first_after = time.monotonic() - seen.began
            is_enough = time.monotonic() > until if source.live else seen.seconds > seconds
            if is_enough and seen.first is not None:
                break
    except SourceLostError:
        if seen.first is None:
            raise
    return seen


def _packets(source: Opened, reading: Reading) -> Iterator[tuple[VideoPacket, float, ClockSource]]:
    if source.live:
        for packet, pts, stamp in DatedPackets(source, reading):
            yield packet, pts, stamp.clock_source
        return
    media = source.media_clock()
    for packet in read_packets(source, reading):
        yield packet, media.seconds_of(packet.pts, packet.dts), "file"

"""A clip out of segments: which packets are in it, from the key frame before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av.error

from streamer.errors import EvidenceMissingError, EvidenceStorageError, SegmentError
from streamer.evidence.event import Cut, Wanted
from streamer.evidence.media.clip_file import COPIED, copy_packets, recode_packets
from streamer.evidence.media.packets import (
    PacketFacts,
    TimedPacket,
    TrackFacts,
    opened_segment,
    read_segment_file,
    span_of,
    timed_packets,
)
from streamer.evidence.names import Segment


@dataclass(frozen=True, slots=True)
class _Source:
    """A segment that can be read."""

    segment: Segment
    path: Path
    facts: TrackFacts
    packets: list[PacketFacts]


def cut_clip(segments: Sequence[tuple[Segment, Path]], wanted: Wanted, target: Path) -> Cut:
    """Write the clip to `target`; segments that cannot be read are left out.

    It begins with the last key frame at or before `wanted.begin`, or with the first one there is,
    and holds every picture from then to `wanted.end`. A gap between segments stays as long as it
    was: the picture before it stands still. What an MP4 does not hold, or no browser plays in one
    (MJPEG), is coded anew as H.264.

    Raises:
        EvidenceMissingError: not one segment can be read.
        EvidenceStorageError: the clip cannot be written.
    """
    parts = _parts(list(_readable(segments)))
    if not parts:
        raise EvidenceMissingError("Nothing that was kept of that time can be read.")
    part = max(parts, key=lambda one: _worth(one, wanted))
    chosen = _choose(part, wanted)
    if not any(chosen):
        raise EvidenceMissingError("What was kept of that time does not begin before its end.")
    try:
        _write(part, chosen, target)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise EvidenceStorageError(f"The clip was not written: {error}.") from error
    begin, end = span_of([packet for packets in chosen for packet in packets.values()])
    facts = part[0].facts
    return Cut(begin / 1000, end / 1000, facts.codec, facts.width, facts.height, len(parts))


def _readable(segments: Sequence[tuple[Segment, Path]]) -> Iterator[_Source]:
    for segment, path in sorted(segments):
        try:
            facts, packets = read_segment_file(path, segment.start_ms)
        except SegmentError:
            continue
        if any(packet.is_keyframe for packet in packets):
            yield _Source(segment, path, facts, packets)


def _parts(sources: Sequence[_Source]) -> list[list[_Source]]:
    """Neighbours that one file can hold."""
    parts: list[list[_Source]] = []
    for source in sources:
        if parts and parts[-1][-1].facts == source.facts:
            parts[-1].append(source)
        else:
            parts.append([source])
    return parts


def _worth(part: Sequence[_Source], wanted: Wanted) -> tuple[float, float]:
    """How much of the event a part shows, then how much of the time around it."""
    return (
        sum(_overlap(one.segment, wanted.event_start, wanted.event_end) for one in part),
        sum(_overlap(one.segment, wanted.begin, wanted.end) for one in part),
    )


def _overlap(segment: Segment, begin: float, end: float) -> float:
    return max(0.0, min(segment.end, end) - max(segment.start, begin))


def _choose(part: Sequence[_Source], wanted: Wanted) -> list[dict[int, PacketFacts]]:
    """Of each segment the packets to be copied, by their number in it."""
    begin, end = round(wanted.begin * 1000), round(wanted.end * 1000)
    keys = [packet.ms for one in part for packet in one.packets if packet.is_keyframe]
    newest = max((key for key in keys if key <= begin), default=keys[0]) - 1
    chosen: list[dict[int, PacketFacts]] = []
    goes_on_at: int | None = None
    for one in part:
        taken = _taken(one.packets, newest, end, flows_on=goes_on_at == one.segment.start_ms)
        chosen.append(taken)
        newest = max((packet.ms for packet in taken.values()), default=newest)
        goes_on_at = one.segment.end_ms if taken else None
    return chosen


def _taken(
    packets: Sequence[PacketFacts], newest: int, end: int, *, flows_on: bool
) -> dict[int, PacketFacts]:
    """The packets up to the last one in the order of decoding that is shown before `end`.

    Where they do not flow on from the segment before, they begin with a key frame after `newest`;
    what is shown before that needs pictures that are not there.
    """
    last = max((number for number, one in enumerate(packets) if one.ms < end), default=-1)
    until = packets[: last + 1]
    if flows_on:
        return dict(enumerate(until))
    keys = (number for number, one in enumerate(until) if one.is_keyframe and one.ms > newest)
    if (first := next(keys, None)) is None:
        return {}
    entered = enumerate(until[first:], first)
    return {number: one for number, one in entered if one.ms >= until[first].ms}


def _write(part: Sequence[_Source], chosen: Sequence[dict[int, PacketFacts]], target: Path) -> None:
    facts = part[0].facts
    times = [packet.ms for taken in chosen for packet in taken.values()]
    packets = _packets(part, chosen)
    if facts.codec in COPIED:
        copy_packets(packets, facts, times, target)
    else:
        recode_packets(packets, facts, times, target)


def _packets(
    part: Sequence[_Source], chosen: Sequence[dict[int, PacketFacts]]
) -> Iterator[TimedPacket]:
    for one, taken in zip(part, chosen, strict=True):
        with opened_segment(one.path) as (container, track):
            found = timed_packets(container, track, one.segment.start_ms)
            for number, (facts, packet) in enumerate(found):
                if number in taken:
                    yield facts, packet

"""Reading pictures from cameras and files. FFmpeg stands behind `streamer.ffmpeg`.

Everything FFmpeg can raise is translated there into `streamer.errors`.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from streamer.address import Address, find_addresses
from streamer.config import ReadOptions
from streamer.errors import SourceAddressError, UndecodableError
from streamer.evidence.tally import EvidenceTally
from streamer.ffmpeg.card import Card
from streamer.ffmpeg.decoding import Reading, decode, prepare, read_packets
from streamer.ffmpeg.files import read_file
from streamer.ffmpeg.live import read_live, tap_live
from streamer.ffmpeg.opening import opened
from streamer.ffmpeg.painter import Painter
from streamer.ffmpeg.survey import facts_of, survey_one
from streamer.frame import Frame
from streamer.source_facts import ReadTally, SourceFacts, SourceSurvey
from streamer.source_fault import explain_undecodable

_FILE_GAP_SECONDS = 0.04  # between the files of a glob when the user says when the first began


def probe(source: str, options: ReadOptions) -> SourceFacts:
    """What a source holds; of a glob, its first file with the length of all.

    Raises:
        SourceError: it cannot be opened or has no video; the subclass and sentence say why.
    """
    facts = [_probe_one(address, options) for address in find_addresses(source)]
    if len(facts) == 1:
        return facts[0]
    lengths = [fact.seconds for fact in facts if fact.seconds is not None]
    return replace(facts[0], seconds=sum(lengths) if len(lengths) == len(facts) else None)


def survey(source: str, options: ReadOptions, seconds: float) -> SourceSurvey:
    """What a source holds and what would be done with it, after so many seconds of looking at it.

    Of a glob, its first file. A file is not waited for: so many of its own seconds are read.

    Raises:
        SourceError: it cannot be opened or has no video; the subclass and sentence say why.
    """
    return survey_one(find_addresses(source)[0], replace(options, sound_too=True), seconds)


def read_frames(
    source: str, options: ReadOptions, tally: ReadTally | None = None
) -> Iterator[Frame]:
    """The pictures of a source in the order they were decoded, resized when asked for.

    A file's pictures begin at `options.start`, else its creation_time, else its modification
    time; the files of a glob follow one another. Live pictures carry the sender's time where it
    can be believed, else arrival time. Missing stamps are filled in; unordered ones are passed on:
    `streamer.timeline` orders them. A frame's pixels must be taken before the next but few frames
    are read: until then it keeps the picture at full size.

    Raises:
        SourceError: it cannot be opened, has no video, or a live one broke off.
    """
    addresses = find_addresses(source)
    if len(addresses) > 1 and (options.from_seconds or options.to_seconds):
        raise SourceAddressError(
            f"'{source}' matches {len(addresses)} files; --from and --to apply to one file."
        )
    tally = tally if tally is not None else ReadTally()
    start = options.start
    for timeline, address in enumerate(addresses):
        at = None
        reading = Reading(address, replace(options, start=start), tally, timeline)
        for frame in _metered(_read_one(reading), tally):
            at = frame.at
            yield frame
        if start is not None and at is not None:
            start = at + _FILE_GAP_SECONDS


def tap_packets(
    source: str, options: ReadOptions, evidence: EvidenceTally | None = None
) -> Iterator[float]:
    """The packets of a live source go to `options.tap`: their UTC times.

    Nothing is decoded but one key frame, which says how the pictures are to be turned.

    Raises:
        SourceError: it cannot be opened, has no video, or how it ended.
    """
    (address,) = find_addresses(source)
    with opened(address, options) as live:
        tally = ReadTally(evidence=evidence if evidence is not None else EvidenceTally())
        yield from tap_live(live, Reading(address, options, tally))


def _metered(frames: Iterator[Frame], tally: ReadTally) -> Iterator[Frame]:
    """The frames; counts what they cost the thread that reads them."""
    while True:
        began = time.thread_time()
        frame = next(frames, None)
        tally.decode_seconds += time.thread_time() - began
        if frame is None:
            return
        yield frame


def _read_one(reading: Reading) -> Iterator[Frame]:
    card = reading.card.choose()
    try:
        yield from _read_with(reading, card)
    except UndecodableError:
        if card is None:
            raise
        reading.card.refuse("its pictures do not decode there")
        if reading.pictures:
            raise
        yield from _read_with(reading, None)


def _read_with(reading: Reading, card: Card | None) -> Iterator[Frame]:
    with opened(reading.address, reading.options, card) as source:
        reading.tally.opened += 1
        painter = Painter(reading.options, reading.address, reading.tally)
        read = read_live if source.live else read_file
        yield from read(source, reading, painter)


def _probe_one(address: Address, options: ReadOptions) -> SourceFacts:
    reading = Reading(address, options, ReadTally())
    with opened(address, options, reading.card.choose()) as source:
        prepare(source, reading)
        packets = read_packets(source, reading)
        first = next((one for packet in packets for one in decode(packet, reading)), None)
        if first is None:
            raise explain_undecodable(address)
        return facts_of(source, reading, first)

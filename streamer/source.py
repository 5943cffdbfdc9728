"""Reading pictures from cameras and files: the boundary to PyAV (FFmpeg).

Everything FFmpeg can raise is translated here into `streamer.errors`.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamer.address import Address, find_addresses
from streamer.card import CardChoice
from streamer.clock import ArrivalClock, MediaClock, WallClock
from streamer.config import ReadOptions
from streamer.errors import SourceAddressError, SourceLostError, UndecodableError
from streamer.frame import ClockSource, Frame
from streamer.opening import file_start, is_live, opened, seek
from streamer.painter import Painter, Picture
from streamer.source_facts import ReadTally, SourceFacts
from streamer.source_fault import explain_fault, explain_nothing_read, explain_undecodable

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


def read_frames(
    source: str, options: ReadOptions, tally: ReadTally | None = None
) -> Iterator[Frame]:
    """The pictures of a source in the order they were decoded, resized when asked for.

    A file's pictures begin at `options.start`, else its creation_time, else its modification
    time; the files of a glob follow one another. Live pictures carry arrival time. Missing
    stamps are filled in; unordered ones are passed on: `streamer.timeline` orders them. A
    frame's pixels must be taken before the next but few frames are read: until then it keeps
    the picture at full size.

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
        for frame in _read_one(_Reading(address, replace(options, start=start), tally, timeline)):
            at = frame.at
            yield frame
        if start is not None and at is not None:
            start = at + _FILE_GAP_SECONDS


def decodable(codecs: Iterable[str]) -> frozenset[str]:
    """Those of FFmpeg's decoders, by their names, that are here."""
    found = set()
    for name in codecs:
        with suppress(ValueError):  # UnknownCodecError
            found.add(av.codec.Codec(name, "r").name)
    return frozenset(found)


def speakable(schemes: Iterable[str]) -> frozenset[str]:
    """Those of the schemes that this FFmpeg speaks; nothing is connected to."""
    return frozenset(scheme for scheme in schemes if _is_spoken(scheme))


def ffmpeg_version() -> str:
    """The version of the FFmpeg that PyAV brought, as far as it is told."""
    return str(getattr(av, "ffmpeg_version_info", "")) or "unknown"


def _probe_one(address: Address, options: ReadOptions) -> SourceFacts:
    reading = _Reading(address, options, ReadTally())
    with _opened(reading, reading.card.choose()) as (container, stream):
        context = stream.codec_context
        first = next(_decode(container, stream, reading), None)
        if first is None:
            raise explain_undecodable(address)
        tally, live = reading.tally, reading.live
        return SourceFacts(
            codec=context.name,
            width=context.width,
            height=context.height,
            fps=float(stream.average_rate) if stream.average_rate else None,
            seconds=None if live or not container.duration else container.duration / av.time_base,
            start=None if live else file_start(address, options, container),
            pixel_format=first.format.name,
            rotation=first.rotation,
            live=live,
            decoder=tally.decoder,
            card_refusal=tally.card_refusal,
        )


@dataclass(slots=True)
class _Reading:
    """One address being read."""

    address: Address
    options: ReadOptions
    tally: ReadTally
    timeline: int = 0
    live: bool = False
    is_on_card: bool = False
    pictures: int = 0  # decoded by this read; the tally may span several

    @property
    def card(self) -> CardChoice:
        return CardChoice(self.options.decoder, self.tally, self.address.shown)

    def frame(self, at: float, pts: float, picture: Picture, clock_source: ClockSource) -> Frame:
        camera_id = self.options.camera_id
        return Frame(camera_id, at, pts, picture, clock_source, self.timeline)


def _read_one(reading: _Reading) -> Iterator[Frame]:
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


def _read_with(reading: _Reading, card: HWAccel | None) -> Iterator[Frame]:
    with _opened(reading, card) as (container, stream):
        painter = Painter(reading.options.clip_format, reading.address)
        read = _read_live if reading.live else _read_file
        yield from read(container, stream, reading, painter)


@contextmanager
def _opened(
    reading: _Reading, card: HWAccel | None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    with opened(reading.address, reading.options, card) as (container, stream):
        reading.live = is_live(reading.address, container)
        reading.is_on_card = bool(card) and reading.card.takes_codec(stream.codec_context)
        # Frame threads add latency, and on a card nothing but surfaces, of which it has few
        stream.thread_type = "SLICE" if reading.live or reading.is_on_card else "AUTO"
        yield container, stream


def _read_file(
    container: InputContainer, stream: VideoStream, reading: _Reading, painter: Painter
) -> Iterator[Frame]:
    options = reading.options
    begin, end = options.from_seconds or 0.0, options.to_seconds
    start = file_start(reading.address, options, container)
    if begin > 0:
        seek(container, stream, begin)
    media = _media_clock(stream)
    empty = True
    for picture in _decode(container, stream, reading):
        pts = media.seconds_of(picture.pts, picture.dts)
        if end is not None and pts >= end:
            break
        if not begin or pts >= begin:  # the first stamps may lie before a file's zero
            empty = False
            yield reading.frame(start + pts, pts, painter.paint(picture), "file")
    if empty:
        raise explain_nothing_read(reading.address, reading.options, reading.pictures)


def _read_live(
    container: InputContainer, stream: VideoStream, reading: _Reading, painter: Painter
) -> Iterator[Frame]:
    media, arrival_clock = _media_clock(stream), ArrivalClock()
    wall = WallClock(time.time(), time.monotonic())
    for picture in _decode(container, stream, reading):
        arrival = wall.read(time.time(), time.monotonic())
        if wall.steps != reading.timeline:
            reading.timeline, arrival_clock = wall.steps, ArrivalClock()
        pts = media.seconds_of(picture.pts, picture.dts)
        at = arrival_clock.stamp(pts, arrival)
        yield reading.frame(at, pts, painter.paint(picture), "arrival")
    if reading.pictures == 0:
        raise explain_undecodable(reading.address)
    raise SourceLostError(f"'{reading.address.shown}' ended: the camera closed the connection.")


def _media_clock(stream: VideoStream) -> MediaClock:
    assert stream.time_base is not None
    fps = stream.average_rate or stream.guessed_rate
    return MediaClock(float(stream.time_base), stream.start_time, float(fps) if fps else None)


def _decode(
    container: InputContainer, stream: VideoStream, reading: _Reading
) -> Iterator[VideoFrame]:
    """Pictures as they come; what does not decode is counted and left out."""
    packets = container.demux(stream)
    newest = time.monotonic()
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            if reading.address.kind != "file":
                raise explain_fault(error, reading.address, reading.pictures > 0) from error
            reading.tally.decode_errors += 1  # a file broken in the middle ends here
            return
        if packet is None:
            return
        try:
            pictures = packet.decode()
        except av.error.FFmpegError:
            reading.tally.decode_errors += 1
            pictures = []
        for picture in pictures:
            if reading.is_on_card and not reading.pictures:
                reading.card.look_at_first(stream.codec_context)
            reading.pictures += 1
            reading.tally.frames += 1
            reading.tally.decode_errors += picture.is_corrupt
            yield picture
            newest = time.monotonic()  # after the reader is done: its delay is no stall
        if reading.live and time.monotonic() - newest > reading.options.read_timeout_seconds:
            raise explain_undecodable(reading.address)


def _is_spoken(scheme: str) -> bool:
    try:
        # Refused for not being on the list, if it is known at all
        av.open(f"{scheme}://127.0.0.1:9/", options={"protocol_whitelist": "none"}).close()
    except av.error.ProtocolNotFoundError:
        return False
    except (av.error.FFmpegError, OSError, ValueError):
        return True
    return True

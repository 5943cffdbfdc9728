"""Reading a file, or a part of it."""

from collections.abc import Iterator

from streamer.ffmpeg.decoding import Reading, Tapped, read_packets
from streamer.ffmpeg.opening import Opened
from streamer.ffmpeg.painter import Painter
from streamer.ffmpeg.sparing_decoder import SparingDecoder
from streamer.frame import Frame
from streamer.source_fault import explain_nothing_read


def read_file(source: Opened, reading: Reading, painter: Painter) -> Iterator[Frame]:
    """The pictures of a file from `from_seconds` to `to_seconds`.

    Raises:
        SourceError: there is none.
    """
    options = reading.options
    begin, end = options.from_seconds or 0.0, options.to_seconds
    start = source.file_start(reading.address, options)
    tapped = Tapped(source, reading)
    empty = True
    try:
        for frame in _pictures(source, reading, painter, start, tapped):
            if end is not None and frame.pts >= end:
                break
            if not begin or frame.pts >= begin:  # the first stamps may lie before a file's zero
                empty = False
                yield frame
    finally:
        tapped.end()
    if empty:
        raise explain_nothing_read(reading.address, options, reading.pictures)


def _pictures(
    source: Opened, reading: Reading, painter: Painter, start: float, tapped: Tapped
) -> Iterator[Frame]:
    options = reading.options
    sparing = SparingDecoder(source, reading)
    if options.from_seconds:
        source.seek(options.from_seconds)
    media, packet_media = source.media_clock(), source.media_clock()
    for packet in read_packets(source, reading):
        pts = packet_media.seconds_of(packet.dts if packet.pts is None else packet.pts)
        pictures = sparing.decode(packet, pts)
        tapped.packet(packet, start + pts, pictures)
        for picture in pictures:
            pts = media.seconds_of(picture.pts, picture.dts)
            pixels = painter.paint(picture)
            yield Frame(options.camera_id, start + pts, pts, pixels, "file", reading.timeline)

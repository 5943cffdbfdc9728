"""Reading a live source: packets are dated as they come, and decoded as far as clips need them."""

from collections.abc import Iterator

from streamer.errors import SourceLostError
from streamer.ffmpeg.decoding import Reading, Silence, Tapped, decode, drain, prepare
from streamer.ffmpeg.opening import Opened
from streamer.ffmpeg.packet_dates import DatedPackets
from streamer.ffmpeg.painter import Painter
from streamer.ffmpeg.sparing_decoder import SparingDecoder
from streamer.frame import Frame
from streamer.source_fault import explain_undecodable


def read_live(source: Opened, reading: Reading, painter: Painter) -> Iterator[Frame]:
    """The pictures of a live source until it breaks off.

    Raises:
        SourceError: how it ended.
    """
    sparing = SparingDecoder(source, reading)
    packets = DatedPackets(source, reading)
    media = source.media_clock()  # of pictures, which come in another order than packets
    tapped, silence = Tapped(source, reading), Silence(reading)
    try:
        for packet, packet_pts, stamp in packets:
            pictures = sparing.decode(packet, packet_pts)
            tapped.packet(packet, stamp.at, pictures)
            for picture in pictures:
                pts = media.seconds_of(picture.pts, picture.dts)
                seen = packets.find(picture.pts, pts)
                yield Frame(
                    reading.options.camera_id,
                    seen.at,
                    pts,
                    painter.paint(picture),
                    seen.clock_source,
                    reading.timeline + seen.timeline,
                )
                silence.broken()
            silence.check()
    finally:
        tapped.end()
    if reading.pictures == 0:
        raise explain_undecodable(reading.address)
    raise SourceLostError(f"'{reading.address.shown}' ended: the camera closed the connection.")


def tap_live(source: Opened, reading: Reading) -> Iterator[float]:
    """The packets of a live source go to the tap, and one key frame is decoded: the times of all.

    Raises:
        SourceError: how it ended.
    """
    tapped, context = Tapped(source, reading), prepare(source, reading)
    try:
        for packet, _, stamp in DatedPackets(source, reading):
            pictures = []
            if packet.is_keyframe and not tapped.knows_turn:
                pictures = decode(packet, reading) + drain(context, reading)
            tapped.packet(packet, stamp.at, pictures)
            yield stamp.at
    finally:
        tapped.end()
    raise SourceLostError(f"'{reading.address.shown}' ended: the camera closed the connection.")

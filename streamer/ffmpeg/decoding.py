"""Packets and pictures of an open source; what does not decode is counted and left out."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamer.address import Address
from streamer.config import ReadOptions
from streamer.ffmpeg.card import CardChoice
from streamer.ffmpeg.opening import Opened
from streamer.ffmpeg.painter import display_matrix
from streamer.packet_tap import PacketTap, StreamFacts
from streamer.source_facts import ReadTally
from streamer.source_fault import explain_fault, explain_stall, explain_undecodable

MOST_WAITING_BYTES = 32 * 1024 * 1024  # of packets, until one of them gives a picture

VideoPacket: TypeAlias = "Packet[VideoStream]"  # quoted: at run time it takes no parameters


@dataclass(slots=True)
class Reading:
    """One address being read."""

    address: Address
    options: ReadOptions
    tally: ReadTally
    timeline: int = 0
    is_on_card: bool = False
    pictures: int = 0  # decoded by this read; the tally may span several

    @property
    def card(self) -> CardChoice:
        """Whether it is decoded on an NVIDIA card."""
        return CardChoice(self.options.decoder, self.tally, self.address.shown)


def prepare(source: Opened, reading: Reading) -> VideoCodecContext:
    """The source's decoder, not opened yet, with its threads.

    Raises:
        CardDecodingError: it has to be an NVIDIA card, and that has none for the codec.
    """
    context = source.stream.codec_context
    reading.is_on_card = source.on_card and reading.card.takes_codec(context)
    # Frame threads add latency, and on a card nothing but surfaces, of which it has few
    context.thread_type = "SLICE" if source.live or reading.is_on_card else "AUTO"
    if reading.options.decode_threads:
        context.thread_count = reading.options.decode_threads
    return context


def read_packets(source: Opened, reading: Reading) -> Iterator[VideoPacket]:
    """The packets as they come, an empty one at the end; undated ones are stamped by arrival.

    Raises:
        SourceError: a live source broke off; a file that is broken in its midst ends there.
    """
    packets = source.container.demux(source.stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            if reading.address.kind != "file":
                raise explain_fault(error, reading.address, reading.pictures > 0) from error
            reading.tally.decode_errors += 1
            return
        if packet is None:
            return
        reading.tally.packets += 1
        if source.is_undated and packet.size:
            _date(packet, source.stream)
        yield packet


def _date(packet: VideoPacket, stream: VideoStream) -> None:
    assert stream.time_base is not None
    packet.pts = packet.dts = round(time.monotonic() / stream.time_base)


def decode(packet: VideoPacket, reading: Reading) -> list[VideoFrame]:
    """The pictures that a packet completes."""
    try:
        return _counted(packet.decode(), packet.stream.codec_context, reading)
    except av.error.FFmpegError:
        reading.tally.decode_errors += 1
        return []


def drain(context: VideoCodecContext, reading: Reading) -> list[VideoFrame]:
    """The pictures that the decoder holds back; what it is given next has to be a key frame.

    It waits for those that might have to be shown before, which never come when only key frames
    are decoded: each would be shown when the next but one comes.
    """
    try:
        pictures = context.decode(None)
    except av.error.FFmpegError:
        return []
    finally:
        context.flush_buffers()
    return _counted(pictures, context, reading)


def _counted(
    pictures: list[VideoFrame], context: VideoCodecContext, reading: Reading
) -> list[VideoFrame]:
    if pictures and reading.is_on_card and not reading.pictures:
        reading.card.look_at_first(context)
    reading.pictures += len(pictures)
    reading.tally.frames += len(pictures)
    reading.tally.decode_errors += sum(picture.is_corrupt for picture in pictures)
    return pictures


class Silence:
    """Packets that give no picture: a live source of which nothing decodes is given up.

    The packet that FFmpeg gives when it has waited too long is a part of one and decodes to
    nothing: a stall, if pictures came before.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._newest = self._packet = time.monotonic()

    def broken(self) -> None:
        """A picture came, and whoever took it is done: its delay is no silence."""
        self._newest = self._packet = time.monotonic()

    def check(self) -> None:
        """A packet was decoded; raises SourceError once silence has lasted too long."""
        now, limit = time.monotonic(), self._reading.options.read_timeout_seconds
        waited, self._packet = now - self._packet, now
        if now - self._newest <= limit:
            return
        if self._reading.pictures and waited > limit / 2:
            raise explain_stall(self._reading.address)
        raise explain_undecodable(self._reading.address)


class Tapped:
    """Gives packets to the tap of `ReadOptions`, if there is one; nothing is copied otherwise."""

    def __init__(self, source: Opened, reading: Reading) -> None:
        self._stream = source.stream
        self._tap = reading.options.tap
        self._tally = reading.tally.evidence
        self._size = (0, 0)
        self._began = False
        self._turn: bytes | None = None  # the display matrix; only pictures tell it
        self._waiting: list[tuple[VideoPacket, float]] = []
        self._waiting_bytes = 0

    @property
    def knows_turn(self) -> bool:
        """Whether a picture told how all are to be turned."""
        return self._turn is not None

    def packet(self, packet: VideoPacket, at: float, pictures: Sequence[VideoFrame]) -> None:
        """Called once the packet is decoded, if it is: then its size is known.

        `pictures` are those that it gave. Until the first packets wait: it says how all are to be
        turned, and masks with them. Too many without a picture are dropped and counted.
        """
        if self._tap is None or not packet.size:
            return
        self._waiting.append((packet, at))
        if self._turn is None:
            if not pictures:
                self._wait(packet.size)
                return
            self._turn = display_matrix(pictures[0])
        for waiting in self._waiting:
            self._hand_on(self._tap, *waiting)
        self._waiting.clear()

    def _wait(self, size: int) -> None:
        self._waiting_bytes += size
        if self._waiting_bytes > MOST_WAITING_BYTES:
            self._drop_waiting()

    def _drop_waiting(self) -> None:
        self._tally.waited += len(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0

    def _hand_on(self, tap: PacketTap, packet: VideoPacket, at: float) -> None:
        context = self._stream.codec_context
        size = (context.width, context.height)
        if size != self._size:
            tap.begin(self._facts())
            self._size, self._began = size, True
        tap.packet(bytes(packet), packet.pts, packet.dts, packet.is_keyframe, at)

    def end(self) -> None:
        """The connection is over; what still waits for a picture is dropped."""
        self._drop_waiting()
        if self._tap is not None:
            self._tap.end()

    def _facts(self) -> StreamFacts:
        context, time_base = self._stream.codec_context, self._stream.time_base
        assert time_base is not None
        return StreamFacts(
            codec=context.codec.canonical_name,
            # Of another size than at first: what the stream brought when it was opened is over
            extradata=None if self._began else context.extradata,
            time_base=time_base,
            width=context.width,
            height=context.height,
            display_matrix=self._turn or b"",
        )

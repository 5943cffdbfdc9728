"""What a worker process and the server say to each other.

Orders go to a process on one socket, each with two descriptors: the camera's ring and the socket
of its connection. On that the process tells what it sees, and its end of it is closed when the
connection is over, or the process.
"""

import pickle
import socket
import struct
from dataclasses import dataclass, fields, is_dataclass

import msgspec

from streamer.camera_record import CameraRecord
from streamer.config import CameraSettings, StreamerPartConfig
from streamer.source_facts import ReadTally

_MOST_ORDER_BYTES = 1 << 20  # masks are the longest part of it, and are bounded
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Order:
    """A camera to be read: as its record says, with its secret, which travels nowhere else.

    The first session begins at `not_before` (UTC seconds) or later; clips say that the camera is
    watched since `watched_since`. Its ring has `slots`. `card_refusal` says why a card could
    not decode it before.
    """

    record: CameraRecord
    settings: CameraSettings
    config: StreamerPartConfig
    slots: int
    not_before: float
    watched_since: float
    card_refusal: str = ""


class Counts(msgspec.Struct, frozen=True):
    """What a connection met so far, and where it stands."""

    outcomes: dict[str, int]
    beginnings: dict[str, int]
    tally: ReadTally
    newest_at: float
    newest_pts: float
    is_file: bool
    shown: bool


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Something was seen."""

    counts: Counts


class Cut(msgspec.Struct, frozen=True, tag=True):
    """A clip, packed; `shared` says that its pixels lie in the ring."""

    counts: Counts
    value: bytes
    shared: bool


class Said(msgspec.Struct, frozen=True, tag=True):
    """A line for the log."""

    level: int
    logger: str
    text: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The connection is over, and why: the name of a SourceError, or nothing at a file's end.

    A `bug` is any other exception, with its traceback.
    """

    counts: Counts
    error: str = ""
    text: str = ""
    bug: str = ""


News = Progress | Cut | Said | Ended

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(News)


def send_order(control: socket.socket, order: Order, ring: int, channel: int) -> None:
    """Hand an order to a process; raises OSError when it is gone."""
    socket.send_fds(control, [pickle.dumps(order)], [ring, channel])


def receive_order(control: socket.socket) -> tuple[Order, int, int] | None:
    """The next order with its two descriptors; None once there is nobody to give any."""
    data, descriptors, _, _ = socket.recv_fds(control, _MOST_ORDER_BYTES, 2)
    if not data:
        return None
    order = pickle.loads(data)  # noqa: S301 - the socket leads to who started this process
    assert isinstance(order, Order)
    ring, channel = descriptors
    return order, ring, channel


def send_news(channel: socket.socket, news: News) -> None:
    """Tell the server; waits while it has no time, raises OSError when it is gone."""
    data = _encoder.encode(news)
    channel.sendall(_LENGTH.pack(len(data)) + data)


class NewsReader:
    """What a worker tells on a connection, message by message."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._waiting = bytearray()

    def read(self, timeout: float) -> News | None:
        """The next message; None if none came in time.

        Raises:
            EOFError: the worker's end is closed, or what comes from there is no message.
        """
        self._channel.settimeout(timeout)
        while (news := self._take()) is None:
            try:
                data = self._channel.recv(1 << 18)
            except TimeoutError:
                return None
            except ConnectionError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self._waiting += data
        return news

    def _take(self) -> News | None:
        if len(self._waiting) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._waiting)
        end = _LENGTH.size + size
        if len(self._waiting) < end:
            return None
        try:
            news = _decoder.decode(bytes(self._waiting[_LENGTH.size : end]))
        except msgspec.MsgspecError as error:
            raise EOFError from error
        del self._waiting[:end]
        return news


def add_tally(total: ReadTally, before: ReadTally, now: ReadTally) -> None:
    """Adds to `total` by what `now` is more than `before`, count by count."""
    _add(total, before, now)


def _add(total: object, before: object, now: object) -> None:
    for each in fields(now):  # type: ignore[arg-type]
        values = [getattr(one, each.name) for one in (total, before, now)]
        if is_dataclass(values[0]):
            _add(*values)
        elif isinstance(values[0], str):
            setattr(total, each.name, values[2] or values[0])
        else:
            # In this order no sum of seconds shrinks by being rounded
            setattr(total, each.name, values[0] + (values[2] - values[1]))

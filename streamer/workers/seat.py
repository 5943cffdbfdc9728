"""One connection to a camera within a worker process, in a thread of its own."""

import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from streamer.address import redact
from streamer.checked_reader import CheckedReader
from streamer.clip import Clip
from streamer.clip_ring import ClipRing
from streamer.connection import cut_connection
from streamer.cut import ClipCutter
from streamer.errors import SourceError
from streamer.frame import Frame
from streamer.memory import give_back_memory
from streamer.pulse import Pulse
from streamer.record import pack_clip, pack_shared
from streamer.sight import Sight
from streamer.workers.messages import Counts, Cut, Ended, News, Order, Progress, Said, send_news

_PROGRESS_SECONDS = 0.5

_here = threading.local()  # .seat: whose thread it is


class _ServerGoneError(Exception):
    """The server does not listen to this connection any more."""


class Seat:
    """Reads a camera until its source ends or the server wants no more of it."""

    def __init__(self, order: Order, ring: int, channel: int) -> None:
        """Takes over both descriptors."""
        self.channel = socket.socket(fileno=channel)
        self._order = order
        self._ring = ClipRing(ring, order.settings.options.clip_format, order.slots)
        os.close(ring)
        self._pulse = Pulse(self._ring)
        self._room = _Room(self._ring)
        self._sight = Sight(watched_since=order.watched_since, not_before=order.not_before)
        self._sight.tally.card_refusal = order.card_refusal
        self._stop = threading.Event()
        self._told_at = 0.0
        name = f"camera {order.record.camera_id}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it goes on."""
        return not self._thread.is_alive()

    @property
    def was_asked_to_end(self) -> bool:
        """Whether the server wants no more of it."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin to read."""
        self._pulse.begin(time.monotonic())
        self._thread.start()

    def ask_to_end(self) -> None:
        """End as soon as the read that it is in returns."""
        self._stop.set()

    def look(self, now: float) -> None:
        """Called by the main thread now and then, which no call of FFmpeg's holds up."""
        if self._sight.tally.opened and not self._pulse.opened_at:
            self._pulse.opened(now)

    def tell(self, news: News) -> None:
        """Tell the server, if it still listens."""
        try:
            send_news(self.channel, news)
        except OSError as error:
            raise _ServerGoneError from error

    def _work(self) -> None:
        _here.seat = self
        try:
            self.tell(self._read())
        except _ServerGoneError:
            return
        finally:
            del _here.seat
            give_back_memory()

    def _read(self) -> Ended:
        try:
            for clip in self._clips():
                self._pulse.cover(self._cutter.seen_until)
                self._tell_clip(clip)
        except SourceError as error:
            return Ended(self._counts(), type(error).__name__, str(error))
        except _ServerGoneError:
            raise
        except Exception:  # noqa: BLE001 - told to the server, which logs it
            return Ended(self._counts(), bug=redact(traceback.format_exc()))
        return Ended(self._counts())

    def _clips(self) -> Iterator[Clip | None]:
        from streamer.source import read_frames  # PyAV: only where pictures are decoded

        order, sight = self._order, self._sight
        settings, options = order.settings, order.settings.options
        room = self._room if settings.pixels == "raw" else None
        self._cutter = ClipCutter(options.clip_format, sight.outcomes, sight.not_before, room)
        sight.beginnings = self._cutter.beginnings
        read = CheckedReader(order.record, order.config, read_frames)
        frames = self._beat(read(settings.source, options, sight.tally))
        yield from cut_connection(frames, settings, self._cutter, sight, self._stop)

    def _beat(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self._pulse.beat(time.monotonic(), frame.clock_source == "file")
            yield frame

    def _tell_clip(self, clip: Clip | None) -> None:
        if clip is not None:
            slot = self._room.slot_of(clip.frames)
            if slot is None:
                value = pack_clip(clip, self._order.settings.pixels)
            else:
                value = pack_shared(clip, slot, self._ring.generation(slot))
            self.tell(Cut(self._counts(), value, slot is not None))
        elif time.monotonic() - self._told_at > _PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self.tell(Progress(self._counts()))

    def _counts(self) -> Counts:
        sight = self._sight
        return Counts(
            outcomes={str(name): count for name, count in sight.outcomes.items()},
            beginnings=dict(sight.beginnings),
            tally=sight.tally,
            newest_at=sight.newest_at,
            newest_pts=sight.newest_pts,
            is_file=sight.is_file,
            shown=sight.shown_at is not None,
        )


class _Room:
    """Room for clips in the ring, and beside it while the ring is full."""

    def __init__(self, ring: ClipRing) -> None:
        self._ring = ring
        self._slots: dict[int, int] = {}  # by the address of the pixels

    def __call__(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        claimed = self._ring.claim() if shape == self._ring.shape else None
        if claimed is None:
            return np.empty(shape, np.uint8)
        slot, pixels = claimed
        self._slots[_address(pixels)] = slot
        return pixels

    def slot_of(self, pixels: NDArray[np.uint8]) -> int | None:
        """Where the pixels of a finished clip lie; None beside the ring."""
        return self._slots.pop(_address(pixels), None)


class Teller(logging.Handler):
    """Has the server log what is logged in the thread of a camera; the rest goes nowhere else."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        seat = getattr(_here, "seat", None)
        if isinstance(seat, Seat):
            with suppress(_ServerGoneError):
                seat.tell(Said(record.levelno, record.name, redact(self.format(record))))


def _address(pixels: NDArray[np.uint8]) -> int:
    return int(pixels.__array_interface__["data"][0])

"""The main stream of a camera whose second, smaller stream is looked at: it is only recorded."""

import logging
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from streamer.back_off import BackOff
from streamer.config import BackOffSettings
from streamer.errors import SourceError
from streamer.limited_log import LimitedLog
from streamer.packet_tap import PacketTap, StreamFacts

_SAY_SECONDS = 60.0
_END_SECONDS = 2.0  # a connection that hangs is left behind, and nothing of it is recorded

_log = logging.getLogger(__name__)

# Reads one connection, whose packets go to the tap: their UTC times
ReadPackets = Callable[[PacketTap], Iterator[float]]


class MainStream:
    """Reads connection after connection in a thread of its own, while it is entered.

    That the main stream cannot be read is logged, and does not keep the camera from being watched.
    """

    def __init__(
        self, camera_id: str, read: ReadPackets, tap: PacketTap, back_off: BackOffSettings
    ) -> None:
        self._camera_id = camera_id
        self._read = read
        self._gate = _Gate(tap)
        self._back_off = BackOff(back_off)
        self._stop = threading.Event()
        self._log = LimitedLog(_log, _SAY_SECONDS)
        self._error: BaseException | None = None
        name = f"camera {camera_id}, main stream"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(_END_SECONDS)
        self._gate.shut()
        self._log.close()

    def check(self) -> None:
        """Raise what its thread raised unexpectedly, if it did."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._watch_once()
        except BaseException as error:  # noqa: BLE001 - raised again by check, in the camera's thread
            self._error = error

    def _watch_once(self) -> None:
        try:
            for number, _ in enumerate(self._read(self._gate)):
                if self._stop.is_set():
                    return
                if number == 1000:  # it came to stay
                    self._back_off.reset()
        except SourceError as error:
            self._log.warning(
                "camera %s: its main stream is not recorded: %s", self._camera_id, error
            )
        self._stop.wait(self._back_off.next_seconds())


class _Gate:
    """A tap that can be shut off from what hangs and comes back too late."""

    def __init__(self, tap: PacketTap) -> None:
        self._tap: PacketTap | None = tap
        self._lock = threading.Lock()

    def shut(self) -> None:
        """Let nothing through any more."""
        with self._lock:
            self._tap = None

    def begin(self, stream: StreamFacts) -> None:
        """See `PacketTap.begin`."""
        with self._lock:
            if self._tap is not None:
                self._tap.begin(stream)

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        """See `PacketTap.packet`."""
        with self._lock:
            if self._tap is not None:
                self._tap.packet(data, pts, dts, is_keyframe, at)

    def end(self) -> None:
        """See `PacketTap.end`."""
        with self._lock:
            if self._tap is not None:
                self._tap.end()

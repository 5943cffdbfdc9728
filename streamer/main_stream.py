"""The main stream of a camera whose second, smaller stream is looked at: it is only recorded."""

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from streamer.back_off import BackOff
from streamer.config import BackOffSettings
from streamer.errors import SourceError, SourceHungError
from streamer.evidence.tally import EvidenceTally
from streamer.packet_tap import PacketTap, StreamFacts
from streamer.pulse import Deadlines

MOST_HUNG = 3  # connections that hang at a time, until the process is to be replaced
_END_SECONDS = 2.0  # a connection that hangs is left behind, and nothing of it is recorded
_SETTLED_PACKETS = 1000  # of a connection that came to stay

# Reads one connection, whose packets go to the tap: their UTC times
ReadPackets = Callable[[PacketTap], Iterator[float]]


class MainStream:
    """Reads connection after connection in a thread of its own, while it is entered.

    That the main stream cannot be read is counted as a fault of the evidence, and does not keep
    the camera from being watched. One that gives no packet in time hangs in a call that does not
    return: it is left behind, and another is begun beside it.
    """

    def __init__(
        self,
        camera_id: str,
        read: ReadPackets,
        tap: PacketTap,
        tally: EvidenceTally,
        back_off: BackOffSettings,
        deadlines: Deadlines,
    ) -> None:
        self._name = f"camera {camera_id}, main stream"
        self._read = read
        self._tap = tap
        self._tally = tally
        self._back_off = BackOff(back_off)
        self._deadlines = deadlines
        self._hung: list[_Connections] = []
        self._current = self._fresh()

    def __enter__(self) -> Self:
        self._current.start(0.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._current.end(_END_SECONDS)

    def check(self) -> None:
        """See that it goes on; called with every picture of the stream that is looked at.

        Raises:
            SourceHungError: so many of its connections hang that their process is to be replaced.
            Exception: what its thread raised unexpectedly.
        """
        if self._current.error is not None:
            raise self._current.error
        if not self._current.is_late(time.monotonic()):
            return
        self._tally.faults += 1
        self._tally.problem = "Its main stream hangs and is connected to once more."
        self._current.leave_behind()
        self._hung = [one for one in [*self._hung, self._current] if one.is_alive]
        if len(self._hung) >= MOST_HUNG:
            raise SourceHungError(
                f"{MOST_HUNG} connections to its main stream hang: the process that reads it is "
                "replaced."
            )
        self._current = self._fresh()
        self._current.start(self._back_off.next_seconds())

    def _fresh(self) -> "_Connections":
        what = (self._read, _Gate(self._tap), self._tally)
        return _Connections(self._name, *what, self._back_off, self._deadlines)


class _Connections:
    """A thread that reads connection after connection, until it is ended or left behind."""

    def __init__(
        self,
        name: str,
        read: ReadPackets,
        gate: "_Gate",
        tally: EvidenceTally,
        back_off: BackOff,
        deadlines: Deadlines,
    ) -> None:
        self.error: BaseException | None = None  # what no source does
        self._read = read
        self._gate = gate
        self._tally = tally
        self._back_off = back_off
        silence = deadlines.silence_seconds + deadlines.margin_seconds
        self._longest_first = deadlines.open_seconds + silence
        self._longest_silence = silence
        self._due: float | None = None  # monotonic; None: nothing is waited for
        self._stop = threading.Event()
        self._delay_seconds = 0.0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread goes on, or hangs."""
        return self._thread.is_alive()

    def start(self, delay_seconds: float) -> None:
        """Begin with the first connection after a while."""
        self._delay_seconds = delay_seconds
        self._thread.start()

    def is_late(self, now: float) -> bool:
        """Whether a packet should have come by now."""
        due = self._due
        return due is not None and now > due

    def leave_behind(self) -> None:
        """Nothing of it is recorded any more, whenever the call that it is in returns."""
        self._stop.set()
        self._gate.shut()

    def end(self, timeout: float) -> None:
        """End it; what hangs for longer is left behind."""
        self._stop.set()
        self._thread.join(timeout)
        self._gate.shut()

    def _work(self) -> None:
        self._stop.wait(self._delay_seconds)
        try:
            while not self._stop.is_set():
                self._watch_once()
        except BaseException as error:  # noqa: BLE001 - raised again by check, in the camera's thread
            self.error = error

    def _watch_once(self) -> None:
        self._due = time.monotonic() + self._longest_first
        try:
            for number, _ in enumerate(self._read(self._gate)):
                if self._stop.is_set():
                    return
                self._due = time.monotonic() + self._longest_silence
                if number == _SETTLED_PACKETS:
                    self._back_off.reset()
        except SourceError as error:
            if self._stop.is_set():
                return
            self._tally.faults += 1
            self._tally.problem = f"Its main stream is not recorded: {error}"
        self._due = None
        self._stop.wait(self._back_off.next_seconds())


class _Gate:
    """A tap that can be shut off from what hangs and comes back too late."""

    def __init__(self, tap: PacketTap) -> None:
        self._tap: PacketTap | None = tap
        self._is_open = False  # a connection began, and has not ended
        self._lock = threading.Lock()

    def shut(self) -> None:
        """Let nothing through any more; a connection that stands is over."""
        with self._lock:
            if self._tap is not None and self._is_open:
                self._tap.end()
            self._tap = None

    def begin(self, stream: StreamFacts) -> None:
        """See `PacketTap.begin`."""
        with self._lock:
            if self._tap is not None:
                self._is_open = True
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
                self._is_open = False
                self._tap.end()

"""A batch on its way through the encoder, and the thread that takes it there."""

import logging
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from threading import Event, Thread

from streamer.bus import Message, Partitions, Position, Record

_WAITED_SECONDS = 60.0  # at the end, for a batch that is on the device

_log = logging.getLogger(__name__)


class Flight:
    """One batch: its records, where their partitions stand after it, and what came of it."""

    def __init__(
        self,
        records: Sequence[Record],
        done: Mapping[int, Position],
        encode: Callable[[], Sequence[Message]],
    ) -> None:
        self._records = records
        self._done = dict(done)
        self._encode = encode
        self._over = Event()
        self._messages: Sequence[Message] = ()
        self._error: BaseException | None = None
        self._dropped: set[int] = set()

    @property
    def is_over(self) -> bool:
        """Whether it came through, or failed."""
        return self._over.is_set()

    @property
    def done(self) -> Mapping[int, Position]:
        """What may be committed once it came through."""
        return {p: at for p, at in self._done.items() if p not in self._dropped}

    def fly(self) -> None:
        """Encode; what is raised is kept for `land`."""
        try:
            self._messages = self._encode()
        except BaseException as error:  # noqa: BLE001 - raised again by land, in the owner's thread
            self._error = error
        finally:
            self._over.set()

    def wait(self, seconds: float | None = None) -> None:
        """Return once it is over, or after so long."""
        self._over.wait(seconds)

    def abandon(self) -> None:
        """Wait until it is over; nothing of it is wanted any more."""
        self.wait(_WAITED_SECONDS)
        if self._error is not None:
            _log.error("clips that were not wanted any more could not be encoded: %r", self._error)

    def drop(self, partitions: Partitions) -> None:
        """Forget its records of partitions that go away: they come to whoever has them next."""
        self._dropped |= partitions

    def land(self) -> list[tuple[Record, Message]]:
        """Waits for what came of its records but those dropped; raises what encoding raised."""
        self.wait()
        if self._error is not None:
            raise self._error
        pairs = zip(self._records, self._messages, strict=True)
        return [pair for pair in pairs if pair[0].partition not in self._dropped]


class Lane:
    """Where flights fly, one at a time: in a thread of its own, or at once in the caller's.

    The thread begins with the first flight, and is the same for all: what a device's library keeps
    for a thread is made once.
    """

    def __init__(self, overlaps: bool) -> None:
        self._overlaps = overlaps
        self._flights: SimpleQueue[Flight | None] = SimpleQueue()
        self._thread: Thread | None = None

    def send(self, flight: Flight) -> None:
        """Let it fly, and return at once if that overlaps; else when it is over."""
        if not self._overlaps:
            flight.fly()
            return
        if self._thread is None:
            self._thread = Thread(target=self._work, name="clips on the device", daemon=True)
            self._thread.start()
        self._flights.put(flight)

    def close(self) -> None:
        """End the thread, once what flies is over; the next flight begins another."""
        if self._thread is not None:
            self._flights.put(None)
            self._thread.join(_WAITED_SECONDS)
            self._thread = None

    def _work(self) -> None:
        while (flight := self._flights.get()) is not None:
            flight.fly()

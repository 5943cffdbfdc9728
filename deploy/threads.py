"""Threads that live and die together: one per camera, one per stage."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

JOIN_SECONDS = 0.2  # signals are handled between joins


class Threads:
    """Starts named threads; when one raises, all are asked to end, and `wait` raises its error.

    `ask_to_end` is called from the thread that raised, once for each that does.
    """

    def __init__(self, ask_to_end: Callable[[], None]) -> None:
        self._ask_to_end = ask_to_end
        self._threads: list[threading.Thread] = []
        self._first_error: BaseException | None = None
        self._lock = threading.Lock()

    def start(self, name: str, target: Callable[[], None]) -> threading.Thread:
        """Run `target` in a thread of that name."""
        thread = threading.Thread(target=self._guard, args=(target,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def ended_within(self, seconds: float) -> bool:
        """Whether all threads have ended, or end within so many seconds."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def wait(self) -> None:
        """Return when all threads have ended; raise the first error any of them raised."""
        for thread in self._threads:
            while thread.is_alive():
                thread.join(JOIN_SECONDS)
        if self._first_error is not None:
            raise self._first_error

    def _guard(self, target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            with self._lock:
                self._first_error = self._first_error or error
            self._ask_to_end()


@contextmanager
def interrupts(ask_to_end: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `ask_to_end`; a second one ends the process at once."""
    former: dict[signal.Signals, signal._HANDLER] = {}

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, former[signal.Signals(number)])
        ask_to_end()

    # Only the main thread may set handlers; elsewhere (a test, another program) nothing is caught
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            former[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

"""Threads that live and end together."""

import logging
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Crew:
    """Threads that live until `stop` is set; when one raises, all are told to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []
        self._first_error: BaseException | None = None

    def start(self, name: str, target: Callable[[threading.Event], None]) -> None:
        """Run `target` in a thread of that name, which ends with the process at the latest."""
        thread = threading.Thread(target=self._guard, args=(target,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the threads to end, so long at most; raise the first error of any of them."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))
        if late := sum(thread.is_alive() for thread in self._threads):
            _log.warning("%d deliveries were still being sent; they are repeated", late)
        if self._first_error is not None:
            raise self._first_error

    def _guard(self, target: Callable[[threading.Event], None]) -> None:
        try:
            target(self._stop)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._first_error = self._first_error or error
            self._stop.set()

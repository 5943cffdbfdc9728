"""Waking those who wait for rows when rows were committed."""

import threading


class Bell:
    """Rung by any thread; each thread that waits hears every ring, also one before it waited."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = 0
        self._heard = threading.local()

    def ring(self) -> None:
        """Wake everyone."""
        with self._changed:
            self._rung += 1
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Whether it rang since this thread last waited, or within `timeout` seconds."""
        heard: int = getattr(self._heard, "rung", 0)
        with self._changed:
            rang = self._changed.wait_for(lambda: self._rung > heard, timeout)
            self._heard.rung = self._rung
            return rang

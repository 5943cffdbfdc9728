"""The main thread of a worker process: takes orders, and gives each camera a thread."""

import gc
import logging
import os
import selectors
import socket
import time

from streamer.workers.messages import receive_order
from streamer.workers.seat import Seat, Teller

_TICK_SECONDS = 0.25
_TIDY_SECONDS = 1.0


class Workbench:
    """Reads cameras until nobody gives orders any more."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._seats: list[Seat] = []
        self._selector = selectors.DefaultSelector()
        self._tidied_at = 0.0

    def run(self) -> None:
        """Blocks until the server is gone; then the process is over, whatever its threads do."""
        logging.basicConfig(handlers=[Teller()], level=logging.INFO, format="%(message)s")
        self._selector.register(self._control, selectors.EVENT_READ)
        import streamer.source  # noqa: F401 - PyAV: here once, so that no camera waits for it

        gc.freeze()  # what was imported stays, and is not looked at again
        while self._serve():
            self._tidy(time.monotonic())
            for seat in list(self._seats):
                seat.look(time.monotonic())
                if seat.is_done:
                    self._clear(seat)
        os._exit(0)

    def _tidy(self, now: float) -> None:
        """Frees pictures that PyAV ties to themselves by looking at their side data.

        Python looks for such cycles after so many new objects, of which hardly any are made here:
        hundreds of pictures would wait.
        """
        if now > self._tidied_at + _TIDY_SECONDS:
            self._tidied_at = now
            gc.collect()

    def _serve(self) -> bool:
        """What came within a tick; false once there is nobody to give orders."""
        for key, _ in self._selector.select(_TICK_SECONDS):
            if key.fileobj is self._control:
                order = receive_order(self._control)
                if order is None:
                    return False
                self._take(Seat(*order))
            else:
                seat = key.data
                assert isinstance(seat, Seat)
                seat.ask_to_end()  # on a connection the server only ever closes its end
                self._selector.unregister(seat.channel)
        return True

    def _take(self, seat: Seat) -> None:
        self._seats.append(seat)
        self._selector.register(seat.channel, selectors.EVENT_READ, seat)
        seat.start()

    def _clear(self, seat: Seat) -> None:
        self._seats.remove(seat)
        if not seat.was_asked_to_end:
            self._selector.unregister(seat.channel)
        seat.channel.close()

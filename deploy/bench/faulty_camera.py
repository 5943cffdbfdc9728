"""A camera's line that breaks: between whoever watches and a camera that is well."""

import os
import socket
import threading
from contextlib import suppress
from typing import Literal

Fault = Literal["drop", "stall", "garbage", "refuse"]
FAULTS: tuple[Fault, ...] = ("drop", "stall", "garbage", "refuse")
STALL_SECONDS = 8.0  # longer than a session bears
REFUSE_SECONDS = 4.0
GARBAGE_BYTES = 100_000

_PIECE = 1 << 16


class FaultyLine:
    """Hands connections on to a port of this machine; `inject` harms those that stand.

    drop: they are closed; stall: nothing comes for a while, and they stay open; garbage: noise in
    place of the stream for a while; refuse: they are closed, and new ones at once, for a while.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._over = threading.Event()
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._mending: threading.Timer | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def inject(self, fault: Fault) -> None:
        """Let it happen."""
        with self._lock:
            self._fault = fault
            if fault in ("drop", "refuse"):
                self._hang_up()
            if fault == "drop":
                self._fault = None
        if fault == "refuse":
            self._mending = threading.Timer(REFUSE_SECONDS, self.mend)
            self._mending.daemon = True
            self._mending.start()

    def mend(self) -> None:
        """Take connections again, if they are refused."""
        with self._lock:
            self._fault = None if self._fault == "refuse" else self._fault

    def close(self) -> None:
        """Hang up on everybody."""
        self._over.set()
        if self._mending is not None:
            self._mending.cancel()
        self._listener.close()
        with self._lock:
            self._hang_up()

    def _hang_up(self) -> None:
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                viewer, _ = self._listener.accept()
            except OSError:
                return
            if self._fault == "refuse":
                viewer.close()
                continue
            threading.Thread(target=self._serve, args=(viewer,), daemon=True).start()

    def _serve(self, viewer: socket.socket) -> None:
        with viewer, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as up:
            with self._lock:
                self._open |= {viewer, up}
            try:
                up.sendall(viewer.recv(_PIECE))  # the request
                while piece := up.recv(_PIECE):
                    viewer.sendall(self._harmed(piece))
            finally:
                with self._lock:
                    self._open -= {viewer, up}

    def _harmed(self, piece: bytes) -> bytes:
        with self._lock:
            fault = self._fault
            if fault in ("stall", "garbage"):
                self._fault = None
        if fault == "stall":
            self._over.wait(STALL_SECONDS)
        return os.urandom(GARBAGE_BYTES) if fault == "garbage" else piece

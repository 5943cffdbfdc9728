"""A worker process as the server sees it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from streamer.workers.messages import Order, send_order

_ROOT = str(Path(__file__).parents[2])  # the folder that holds the package `streamer`
# Settings of the server, secrets among them, are no business of a process that reads cameras
_PRIVATE = "WATCHWORD_"
_SETTLE_SECONDS = 1.0


class Worker:
    """A process that reads cameras; safe to use from any thread."""

    def __init__(self) -> None:
        """Starts it. Raises OSError where the system starts none."""
        self.cameras: set[str] = set()  # the pool's: which cameras have a place in it
        self.culprit: str | None = None  # the camera for whose sake it was killed
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = control
        self._lock = threading.Lock()  # over the culprit, and the order of orders
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module by our own Python
                [sys.executable, "-P", "-m", "streamer.workers", str(theirs.fileno())],
                stdin=subprocess.PIPE,  # its lifeline: never written to
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def give(self, order: Order, ring: int, channel: int) -> None:
        """Have it read a camera; raises OSError when it is gone."""
        with self._lock:
            send_order(self._control, order, ring, channel)

    def kill(self, culprit: str | None) -> bool:
        """kill -9, for the sake of a camera; false if it was gone before."""
        with self._lock:
            if not self.is_alive:
                return False
            self.culprit = self.culprit or culprit
            self._process.kill()
            self._process.wait()
            return True

    def settle(self) -> None:
        """See that it is gone, of which its connections knew a moment before the system did."""
        try:
            self._process.wait(_SETTLE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill(None)

    def why_ended(self) -> str:
        """What ended it, in a few words, after `settle`."""
        code = self._process.wait()
        if code >= 0:
            return f"status {code}"
        with suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
        return f"signal {-code}"

    def close(self) -> None:
        """End it, whatever it does, and let go of it."""
        self.kill(None)
        self._control.close()
        assert self._process.stdin is not None
        self._process.stdin.close()


def _environment() -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_PRIVATE)}
    paths = (_ROOT, environment.get("PYTHONPATH", ""))
    return environment | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}

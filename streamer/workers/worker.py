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
_SETTLE_SECONDS = 1.0  # that a process may take to be gone, once it was killed
_ORDER_SECONDS = 5.0  # an order that is not taken for so long finds no room: it hangs


class Worker:
    """A process that reads cameras; safe to use from any thread."""

    def __init__(self) -> None:
        """Starts it. Raises OSError where the system starts none."""
        self.cameras: set[str] = set()  # the pool's: which cameras have a place in it
        self.culprit: str | None = None  # the camera for whose sake it was killed
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.settimeout(_ORDER_SECONDS)
        self._control = control
        self._is_killed = False
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
        """Whether it still runs, and was not killed."""
        return not self._is_killed and self._process.poll() is None

    @property
    def is_killed(self) -> bool:
        """Whether it was killed: nothing of it goes on, though the system may still hold it."""
        return self._is_killed

    def give(self, order: Order, ring: int, channel: int) -> None:
        """Have it read a camera; raises OSError when it is gone."""
        with self._lock:
            send_order(self._control, order, ring, channel)

    def kill(self, culprit: str | None) -> bool:
        """kill -9, for the sake of a camera; false if it was gone or killed before.

        Returns at once: a process that hangs in the system (a network disk) is not gone for long.
        """
        with self._lock:
            if not self.is_alive:
                return False
            self.culprit = self.culprit or culprit
            self._is_killed = True
            self._process.kill()
            return True

    def settle(self) -> None:
        """See that it ends, of which its connections knew a moment before the system did."""
        if not self._is_gone(_SETTLE_SECONDS):
            self.kill(None)
            self._is_gone(_SETTLE_SECONDS)

    def why_ended(self) -> str:
        """What ended it, in a few words, after `settle`."""
        code = self._process.poll()
        if code is None:
            return "signal SIGKILL, and the system still holds it"
        if code >= 0:
            return f"status {code}"
        with suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
        return f"signal {-code}"

    def close(self, timeout: float = _SETTLE_SECONDS) -> None:
        """End it, whatever it does, and let go of it.

        One that is not gone after `timeout` seconds is left to a thread that waits for its end.
        """
        self.kill(None)
        self._control.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        if not self._is_gone(timeout):
            name = f"waits for the end of process {self.pid}"
            threading.Thread(target=self._process.wait, name=name, daemon=True).start()

    def _is_gone(self, timeout: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        return self._process.returncode is not None


def _environment() -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_PRIVATE)}
    paths = (_ROOT, environment.get("PYTHONPATH", ""))
    return environment | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}

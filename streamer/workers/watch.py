"""Waiting for news of a camera, no longer than it may take."""

import socket
import threading
import time

from streamer.address import redact
from streamer.camera_record import CameraRecord
from streamer.errors import (
    SourceCrashedError,
    SourceError,
    SourceStalledError,
    SourceTimeoutError,
)
from streamer.pulse import Deadlines, Lateness, Pulse
from streamer.workers.messages import News, NewsReader
from streamer.workers.worker import Worker

_LOOK_SECONDS = 0.25  # how soon a stop or a silence is noticed
_GRACE_SECONDS = 3.0  # between being asked to end and being killed, of what is late
_ALONE_SECONDS = 7.0  # and of what is not wanted any more, and has a process of its own


class Connection:
    """A connection that a worker was ordered to make; `asked` is when, on the monotonic clock."""

    def __init__(
        self, camera_id: str, worker: Worker, channel: socket.socket, asked: float
    ) -> None:
        self.camera_id = camera_id
        self.worker = worker
        self.asked = asked
        self.news = NewsReader(channel)
        self._channel = channel

    def ask_to_end(self) -> None:
        """Have the worker end it as soon as the call that it is in returns."""
        try:
            self._channel.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it is over already


class Watch:
    """Asks a camera that is late, or that is not wanted any more, to end, and then kills it.

    With it goes its process. One that is not wanted takes others along only once it is late.
    """

    def __init__(
        self, connection: Connection, pulse: Pulse, deadlines: Deadlines, stop: threading.Event
    ) -> None:
        self.late: Lateness | None = None  # with what it was late, if it was
        self._connection = connection
        self._pulse = pulse
        self._deadlines = deadlines
        self._stop = stop
        self._asked_to_end: float | None = None
        self._listening = 0.0  # since when news are taken, monotonic

    def next_news(self) -> News:
        """The next message of the connection.

        Raises:
            EOFError: the process is gone.
        """
        self._listening = time.monotonic()
        while (news := self._connection.news.read(_LOOK_SECONDS)) is None:
            self._look(time.monotonic())
        if self._stop.is_set():
            self._look(time.monotonic())
        return news

    def _look(self, now: float) -> None:
        if self._connection.worker.is_killed:
            raise EOFError  # one that hangs in the system may keep its end open for long
        asked, listening = self._connection.asked, self._listening
        late = self._deadlines.late(self._pulse, asked, now, listening)
        self.late = self.late or late
        if self._asked_to_end is None:
            if late or self._stop.is_set():
                self._asked_to_end = now
                self._connection.ask_to_end()
            return
        worker, camera_id = self._connection.worker, self._connection.camera_id
        waited = now - self._asked_to_end
        is_alone = worker.cameras == {camera_id}
        if (late and waited > _GRACE_SECONDS) or (is_alone and waited > _ALONE_SECONDS):
            worker.kill(camera_id)


def explain_lateness(record: CameraRecord, late: Lateness | None) -> SourceError:
    """The error for a camera that was ended because it was late."""
    if late == "start":
        return SourceCrashedError(
            "The process that reads it did not begin in time: this machine is too busy, or its "
            "disk does not answer."
        )
    shown = f"'{redact(record.source)}'"
    if late == "silence":
        return SourceStalledError(
            f"{shown} stopped sending pictures: check the camera and the network."
        )
    if late == "first":
        return SourceTimeoutError(
            f"{shown} answered and sent no picture in time: check what it is set to send."
        )
    return SourceTimeoutError(
        f"{shown} did not answer in time: check the camera, the network and the firewall."
    )

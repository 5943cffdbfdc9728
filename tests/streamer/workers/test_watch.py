"""Waiting for a camera's news: who is late, and who only waited for us."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest

from streamer.camera_record import CameraRecord
from streamer.pulse import Deadlines, Pulse
from streamer.source_facts import ReadTally
from streamer.workers.messages import Counts, Ended, send_news
from streamer.workers.watch import Connection, Watch, explain_lateness
from streamer.workers.worker import Worker

LIMITS = Deadlines(open_seconds=1.0, silence_seconds=1.0, margin_seconds=1.0)
NEWS = Ended(Counts({}, {}, ReadTally(), 0.0, 0.0, is_file=True, shown=True))


class Idle:
    """A process that reads another camera, too."""

    cameras = frozenset({"yard", "gate"})
    is_killed = False


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(("is_file", "late"), [(True, None), (False, "silence")])
def test_a_film_whose_clips_nobody_took_for_a_while_is_not_late(
    ends, pulse: Pulse, monkeypatch: pytest.MonkeyPatch, is_file: bool, late: str | None
) -> None:
    monkeypatch.setattr("streamer.workers.watch._LOOK_SECONDS", 0.01)
    ours, theirs = ends
    pulse.beat(time.monotonic() - 100.0, is_file)  # then the bus was full for 100 s
    connection = Connection("yard", cast(Worker, Idle()), ours, time.monotonic() - 101.0)
    watch = Watch(connection, pulse, LIMITS, threading.Event())
    looked = threading.Timer(0.1, send_news, (theirs, NEWS))
    looked.start()
    watch.next_news()
    looked.join()
    assert watch.late == late


def test_a_camera_does_not_wait_for_a_killed_process_to_be_gone(
    ends, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In uninterruptible sleep it keeps its end of the connection open, whoever killed it."""
    monkeypatch.setattr("streamer.workers.watch._LOOK_SECONDS", 0.01)
    ours, theirs = ends
    worker = Idle()
    worker.is_killed = True
    connection = Connection("yard", cast(Worker, worker), ours, time.monotonic())
    send_news(theirs, NEWS)
    watch = Watch(connection, pulse, LIMITS, threading.Event())
    assert watch.next_news() == NEWS, "what it told before is heard"
    with pytest.raises(EOFError):
        watch.next_news()


def test_a_process_that_does_not_begin_is_not_called_the_cameras_fault() -> None:
    record = CameraRecord(camera_id="yard", source="rtsp://camera/live")
    error = explain_lateness(record, "start")
    assert error.counted_as() == "crash"
    assert "did not begin in time" in str(error)

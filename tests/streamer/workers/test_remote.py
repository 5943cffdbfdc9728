"""A camera read elsewhere, as the server sees it, where the process is played by a test."""

import os
import socket
import threading
from typing import cast

import pytest

from streamer.camera_record import CameraRecord
from streamer.config import CameraSettings, ReadOptions
from streamer.errors import SourceHungError
from streamer.sight import Sight
from streamer.source_facts import ReadTally
from streamer.workers.messages import Counts, Ended, Order, send_news
from streamer.workers.pool import WorkerPool
from streamer.workers.remote import ReadInWorker
from tests.streamer.media import SMALL
from tests.streamer.watched import CALM

COUNTS = Counts({}, {}, ReadTally(), 0.0, 0.0, is_file=False, shown=False)


class Told:
    """A process that answers every order with one message."""

    cameras = frozenset({"yard"})
    is_killed = False

    def __init__(self, news: Ended) -> None:
        self.killed_for: list[str] = []
        self._news = news

    def give(self, _order: Order, _ring: int, channel: int) -> None:
        with socket.socket(fileno=os.dup(channel)) as told:
            send_news(told, self._news)

    def kill(self, camera_id: str) -> None:
        self.killed_for.append(camera_id)


class OneProcess:
    """A pool with that process."""

    def __init__(self, worker: Told) -> None:
        self.worker = worker
        self.ended_workers: list[Told] = []

    def place(self, _camera_id: str) -> Told:
        return self.worker

    def ended(self, worker: Told) -> None:
        self.ended_workers.append(worker)

    def give_back(self, _camera_id: str) -> None:
        pass


def test_a_process_in_which_calls_hang_is_replaced() -> None:
    worker = Told(Ended(COUNTS, "SourceHungError", "3 connections to its main stream hang."))
    pool = OneProcess(worker)
    record = CameraRecord(camera_id="yard", source="rtsp://camera/live")
    reading = ReadInWorker(record, CALM, cast(WorkerPool, pool))
    settings = CameraSettings(record.source, ReadOptions("yard", SMALL))
    with pytest.raises(SourceHungError, match="3 connections"):
        list(reading.read(settings, Sight(), threading.Event()))
    reading.close()
    assert worker.killed_for == ["yard"]
    assert pool.ended_workers == [worker]

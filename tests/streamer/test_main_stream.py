"""A camera's second stream is looked at while its main one is recorded, and only that."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from streamer.config import BackOffSettings
from streamer.errors import SourceLostError
from streamer.main_stream import MainStream
from streamer.packet_tap import PacketTap
from tests.streamer.kept import Kept

AT_ONCE = BackOffSettings(0.001, 0.002)


def stream(read: Callable[[PacketTap], Iterator[float]], tap: PacketTap) -> MainStream:
    return MainStream("yard", read, tap, AT_ONCE)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_it_is_read_again_for_ever(caplog: pytest.LogCaptureFixture):
    kept, connections = Kept(), []

    def read(tap: PacketTap) -> Iterator[float]:
        connections.append(len(connections))
        tap.packet(b"a", 1, 1, True, 5.0)
        yield 5.0
        raise SourceLostError("'rtsp://***@camera/1' ended.")

    with caplog.at_level(logging.WARNING), stream(read, kept) as main:
        wait_for(lambda: len(connections) > 5)
        main.check()
    assert len(kept.packets) >= 5
    said = [record for record in caplog.records if "main stream is not recorded" in record.message]
    assert 1 <= len(said) <= 2, "said once, and at the end how often it was left out"


def test_the_camera_is_told_of_what_is_no_fault_of_a_source():
    def read(tap: PacketTap) -> Iterator[float]:
        raise ZeroDivisionError("a bug")

    with stream(read, Kept()) as main:
        wait_for(lambda: not main._thread.is_alive())
        with pytest.raises(ZeroDivisionError):
            main.check()


def test_one_that_hangs_is_left_behind_and_says_nothing_later(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamer.main_stream._END_SECONDS", 0.05)
    hangs, goes_on, is_over = threading.Event(), threading.Event(), threading.Event()
    kept = Kept()

    def read(tap: PacketTap) -> Iterator[float]:
        hangs.set()
        goes_on.wait(20)
        tap.packet(b"a", 1, 1, True, 5.0)
        tap.end()
        is_over.set()
        yield 5.0

    with stream(read, kept):
        assert hangs.wait(20)
    goes_on.set()
    assert is_over.wait(20)
    assert (kept.packets, kept.ended) == ([], 0)

"""A camera's second stream is looked at while its main one is recorded, and only that."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from streamer.config import BackOffSettings
from streamer.errors import SourceHungError, SourceLostError
from streamer.evidence.tally import EvidenceTally
from streamer.main_stream import MOST_HUNG, MainStream
from streamer.packet_tap import PacketTap
from streamer.pulse import Deadlines
from tests.streamer.kept import Kept

AT_ONCE = BackOffSettings(0.001, 0.002)
PATIENT = Deadlines(open_seconds=600.0, silence_seconds=600.0)
IMPATIENT = Deadlines(open_seconds=0.01, silence_seconds=0.01, margin_seconds=0.0)


def stream(
    read: Callable[[PacketTap], Iterator[float]],
    tap: PacketTap,
    tally: EvidenceTally | None = None,
    deadlines: Deadlines = PATIENT,
) -> MainStream:
    return MainStream("yard", read, tap, tally or EvidenceTally(), AT_ONCE, deadlines)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Hanging:
    """Connections that never return until they may; then they come with a packet, too late."""

    def __init__(self, well_from: int) -> None:
        self.count = 0
        self.goes_on, self.over = threading.Event(), list[int]()
        self._well_from = well_from

    def __call__(self, tap: PacketTap) -> Iterator[float]:
        number, self.count = self.count, self.count + 1
        if number < self._well_from:
            self.goes_on.wait(60)
            tap.packet(b"late", 1, 1, True, -1.0)
            tap.end()
            self.over.append(number)
            return
        while not self.goes_on.is_set():  # as a camera that is well
            tap.packet(b"a", 1, 1, True, float(number))
            yield float(number)
            time.sleep(0.001)


def test_it_is_read_again_for_ever_and_each_fault_is_counted():
    kept, tally, connections = Kept(), EvidenceTally(), []

    def read(tap: PacketTap) -> Iterator[float]:
        connections.append(len(connections))
        tap.packet(b"a", 1, 1, True, 5.0)
        yield 5.0
        raise SourceLostError("'rtsp://***@camera/1' ended.")

    with stream(read, kept, tally) as main:
        wait_for(lambda: len(connections) > 5)
        main.check()
    assert len(kept.packets) >= 5
    assert 5 <= tally.faults <= len(connections)
    assert tally.problem == "Its main stream is not recorded: 'rtsp://***@camera/1' ended."


def test_the_camera_is_told_of_what_is_no_fault_of_a_source():
    def read(tap: PacketTap) -> Iterator[float]:
        raise ZeroDivisionError("a bug")

    with stream(read, Kept()) as main:
        wait_for(lambda: not main._current.is_alive)
        with pytest.raises(ZeroDivisionError):
            main.check()


def test_one_that_hangs_is_left_behind_and_another_is_read():
    kept, tally, read = Kept(), EvidenceTally(), Hanging(well_from=1)
    with stream(read, kept, tally, IMPATIENT) as main:

        def is_read_anew() -> bool:
            main.check()
            return bool(kept.packets)

        wait_for(is_read_anew)
        assert tally.faults >= 1
        assert "hangs" in tally.problem
        read.goes_on.set()
        wait_for(lambda: read.over == [0])
    assert -1.0 not in {at for _, _, at in kept.packets}, "it comes too late"


def test_when_many_hang_their_process_has_to_be_replaced():
    tally, read = EvidenceTally(), Hanging(well_from=MOST_HUNG + 1)
    with stream(read, Kept(), tally, IMPATIENT) as main:
        with pytest.raises(SourceHungError, match="replaced") as caught:
            wait_for(main.check)
        assert read.count == tally.faults == MOST_HUNG
        assert caught.value.counted_as() == "crash"
        read.goes_on.set()
        wait_for(lambda: len(read.over) == MOST_HUNG)


def test_what_stood_when_it_is_left_behind_is_over():
    kept, goes_on = Kept(), threading.Event()

    def read(tap: PacketTap) -> Iterator[float]:
        tap.begin(None)  # type: ignore[arg-type]
        tap.packet(b"a", 1, 1, True, 5.0)
        yield 5.0
        goes_on.wait(60)

    with stream(read, kept, deadlines=IMPATIENT) as main:
        wait_for(lambda: kept.packets)

        def is_over() -> bool:
            main.check()
            return bool(kept.ended)

        wait_for(is_over)
        goes_on.set()


def test_one_that_hangs_at_the_end_says_nothing_later(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamer.main_stream._END_SECONDS", 0.05)
    hangs, goes_on, is_over = threading.Event(), threading.Event(), threading.Event()
    kept = Kept()

    def read(tap: PacketTap) -> Iterator[float]:
        hangs.set()
        goes_on.wait(60)
        tap.packet(b"a", 1, 1, True, 5.0)
        tap.end()
        is_over.set()
        yield 5.0

    with stream(read, kept):
        assert hangs.wait(60)
    goes_on.set()
    assert is_over.wait(60)
    assert (kept.packets, kept.ended) == ([], 0)

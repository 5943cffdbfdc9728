"""How parts live and die together; the whole server is in tests/e2e."""

import threading

import pytest

from deploy.serve import run_parts
from streamer.bus import CLIPS, Message
from streamer.errors import BusClosedError
from streamer.memory_bus import MemoryBus


class Source:
    """The last part: publishes until it is told to stop, then finishes its topic."""

    name = "streamer"

    def __init__(self, bus: MemoryBus) -> None:
        self.began = threading.Event()
        self._bus = bus

    def run(self, stop: threading.Event) -> None:
        self._bus.publish(Message(CLIPS.name, "yard", b"clip"))
        self.began.set()
        stop.wait()
        self._bus.publish(Message(CLIPS.name, "yard", b"the last clip"))
        self._bus.finish(CLIPS.name)


class Sink:
    """The first part: takes what comes until the topic is finished."""

    name = "api"

    def __init__(self, bus: MemoryBus) -> None:
        self.taken: list[bytes | None] = []
        self._subscription = bus.subscribe(CLIPS.name, "g")

    def run(self, stop: threading.Event) -> None:
        while not (stop.is_set() or self._subscription.finished):
            self.taken += [record.value for record in self._subscription.poll(0.05)]
            self._subscription.commit()


class Stuck:
    """A part that never drains by itself."""

    name = "encoder"

    def run(self, stop: threading.Event) -> None:
        stop.wait()


class Broken:
    name = "grounding"

    def run(self, stop: threading.Event) -> None:
        raise ZeroDivisionError("a bug")


def stop_when(ready: threading.Event, stop: threading.Event) -> None:
    threading.Thread(target=lambda: (ready.wait(), stop.set()), daemon=True).start()


def test_what_was_seen_before_the_stop_is_drained():
    bus, stop = MemoryBus(), threading.Event()
    source, sink = Source(bus), Sink(bus)
    stop_when(source.began, stop)
    run_parts((sink, source), bus, stop, drain_seconds=30.0)
    assert sink.taken == [b"clip", b"the last clip"]


def test_what_does_not_drain_in_time_is_stopped_and_said(caplog):
    bus, stop = MemoryBus(), threading.Event()
    source = Source(bus)
    stop_when(source.began, stop)
    run_parts((Sink(bus), Stuck(), source), bus, stop, drain_seconds=0.05)
    assert "not drained within 0.05 s" in caplog.text
    with pytest.raises(BusClosedError):
        bus.publish(Message(CLIPS.name, "yard", b"too late"))


def test_an_error_in_a_part_ends_all_and_is_raised():
    bus = MemoryBus()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run_parts((Stuck(), Broken()), bus, threading.Event(), drain_seconds=5.0)

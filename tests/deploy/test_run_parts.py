"""How parts live and end together; the whole server is in tests/e2e."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.parts import BEFORE, PARTS
from deploy.run_parts import run_parts
from streamer.bus import CLIPS, Message
from streamer.errors import BusClosedError
from streamer.memory_bus import MemoryBus


class Source:
    """The last part: publishes until it is told to stop, then finishes its topic."""

    name = "streamer"
    ready = True

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

    name = "encoder"
    ready = True

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
    ready = True

    def run(self, stop: threading.Event) -> None:
        stop.wait()


class Broken:
    name = "grounding"
    ready = True

    def run(self, stop: threading.Event) -> None:
        raise ZeroDivisionError("a bug")


class Link:
    """A part of any name: it ends when it is told to, or when the part before it has ended."""

    ready = True

    def __init__(self, name: str, ended: list[str], has_ended: dict[str, threading.Event]) -> None:
        self.name = name
        self._ended = ended
        self._has_ended = has_ended

    def run(self, stop: threading.Event) -> None:
        before = self._has_ended.get(BEFORE.get(self.name, ""))
        (before or stop).wait()
        self._ended.append(f"{self.name} by itself" if before else self.name)
        assert not (before and stop.is_set())
        self._has_ended[self.name].set()


def stop_when(ready: threading.Event, stop: threading.Event) -> None:
    threading.Thread(target=lambda: (ready.wait(), stop.set()), daemon=True).start()


def test_what_was_seen_before_the_stop_is_drained():
    bus, stop = MemoryBus(), threading.Event()
    source, sink = Source(bus), Sink(bus)
    stop_when(source.began, stop)
    run_parts((sink, source), bus, stop, drain_seconds=30.0)
    assert sink.taken == [b"clip", b"the last clip"]


def test_what_does_not_drain_in_time_is_stopped_and_said(caplog: pytest.LogCaptureFixture):
    bus, stop = MemoryBus(), threading.Event()
    source = Source(bus)
    stop_when(source.began, stop)
    run_parts((Stuck(), source), bus, stop, drain_seconds=0.05)
    assert "not drained within 0.05 s" in caplog.text
    with pytest.raises(BusClosedError):
        bus.publish(Message(CLIPS.name, "yard", b"too late"))


def test_an_error_in_a_part_ends_all_and_is_raised():
    bus = MemoryBus()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run_parts((Stuck(), Broken()), bus, threading.Event(), drain_seconds=5.0)


def ended_in_order(names: tuple[str, ...]) -> list[str]:
    """How parts of these names end, given in the data's order and after a stop."""
    ended: list[str] = []
    has_ended = {name: threading.Event() for name in names}
    parts = [Link(name, ended, has_ended) for name in names]
    stop = threading.Event()
    stop.set()
    run_parts(parts[::-1], MemoryBus(), stop, drain_seconds=30.0)
    return ended


@pytest.mark.parametrize(
    ("names", "ended"),
    [
        (("streamer", "encoder"), ["streamer", "encoder by itself"]),
        (("grounding", "api"), ["grounding", "api by itself"]),
        (("streamer", "grounding"), ["streamer", "grounding"]),
        (("encoder", "api"), ["encoder", "api"]),
        (("grounding", "probes"), ["grounding", "probes"]),
        (PARTS, ["streamer", *(f"{name} by itself" for name in PARTS[1:])]),
    ],
)
def test_the_data_ends_where_it_begins(names: tuple[str, ...], ended: list[str]):
    assert ended_in_order(names) == ended


@given(st.sets(st.sampled_from(PARTS), min_size=1))
def test_every_split_ends_in_the_data_s_order(names: set[str]):
    here = tuple(name for name in PARTS if name in names)
    wanted = [f"{name} by itself" if BEFORE.get(name) in here else name for name in here]
    assert ended_in_order(here) == wanted

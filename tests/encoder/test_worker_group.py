"""Encoders that come, go and die, on one bus: each clip becomes one embedding, whatever happens."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Event
from typing import Literal

import numpy as np
import pytest
from prometheus_client import REGISTRY

from encoder.config import EncoderConfig
from encoder.record import unpack_embedding
from encoder.worker import EncoderWorker
from streamer.bus import (
    CLIPS,
    DEAD_LETTERS,
    EMBEDDINGS,
    Message,
    Position,
    Rebalance,
    Subscription,
    partition_of,
)
from streamer.clip import Clip
from streamer.errors import CommitLostError
from streamer.memory_bus import MemoryBus
from streamer.progress import unpack_note
from streamer.record import pack_clip
from tests.encoder.models import SPACE, random_clips

FIRST, SECOND = (
    next(c for c in ("yard", "gate", "hall", "roof", "dock") if partition_of(c, 2) == p)
    for p in (0, 1)
)
POISON = 7  # the index of a clip that kills


class Death(BaseException):
    """Stands for the end of a process: nobody handles it, and nothing is tidied up after it."""


class SharedBus(MemoryBus):
    """What several processes share: that one of them is through ends nothing for the others."""

    def __init__(self) -> None:
        super().__init__(partitions=2)
        self.lose: list[str] = []  # of which commit to say that it is lost: "outputs", "note"
        self.commits: list[Mapping[int, Position]] = []

    def finish(self, topic: str) -> None:
        if topic == CLIPS.name:
            super().finish(topic)

    def subscribe(self, topic, group=None, rebalance=None, partitions=None) -> Subscription:
        subscription = super().subscribe(topic, group, rebalance, partitions)
        if topic == CLIPS.name and group:
            self._watch(subscription)
        return subscription

    def _watch(self, subscription: Subscription) -> None:
        commit = subscription.commit

        def watched(outputs: Iterable[Message] = (), positions=None) -> None:
            outputs = list(outputs)
            if self.lose and self.lose[0] == ("outputs" if outputs else "note"):
                raise CommitLostError(f"The {self.lose.pop(0)} were lost.")
            self.commits.append(dict(positions or {}))
            commit(outputs, positions)

        subscription.commit = watched  # type: ignore[method-assign]


class Encoder:
    """Numbers in the first pixel; the clip of index POISON kills whoever sees it."""

    space = SPACE
    overlaps = False

    def __init__(self, best_batch: int = 1, kills: bool = False) -> None:
        self.best_batch = best_batch
        self.kills = kills
        self.batches: list[list[int]] = []

    def encode(self, clips: np.ndarray) -> np.ndarray:
        self.batches.append([int(clip[0, 0, 0, 0]) for clip in clips])
        if self.kills and any(POISON in batch for batch in self.batches[-1:]):
            raise Death
        vectors = np.zeros((len(clips), SPACE.dims), np.float32)
        vectors[:, 0] = 1
        return vectors


@pytest.fixture(autouse=True, params=[False, True], ids=["in turns", "overlapped"])
def overlaps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every promise holds whether batches are gathered and encoded in turns or at once."""
    monkeypatch.setattr(Encoder, "overlaps", request.param)


@pytest.fixture
def bus() -> Iterator[SharedBus]:
    bus = SharedBus()
    yield bus
    bus.close()


def publish(
    bus: MemoryBus, camera: str, *indices: int, clock: Literal["arrival", "file"] = "arrival"
) -> None:
    for index in indices:
        frames = random_clips(1, index)[0]
        frames[0, 0, 0, 0] = index
        at = 100.0 + 2 * index
        clip = Clip(camera, 100_000, index, at, at + 2, at + 2, frames, clock)
        bus.publish(Message(CLIPS.name, camera, pack_clip(clip)))


def embeddings(bus: MemoryBus) -> Counter[tuple[str, int]]:
    """How often each clip was embedded so far."""
    reader = bus.subscribe(EMBEDDINGS.name)
    made = [unpack_embedding(record.value or b"") for record in reader.poll(0.05)]
    reader.close()
    return Counter((each.camera_id, each.index) for each in made)


def letters(bus: MemoryBus) -> list[tuple[bytes, bytes, bytes]]:
    reader = bus.subscribe(DEAD_LETTERS.name)
    headers = [dict(record.headers) for record in reader.poll(0.05)]
    reader.close()
    return [(each["error"], each["attempt"], each["offset"]) for each in headers]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"watchword_{name}", labels) or 0.0


def worker(bus: SharedBus, encoder: Encoder, **options: object) -> EncoderWorker:
    config = EncoderConfig(wait_seconds=0.0, poll_seconds=0.01, **options)  # type: ignore[arg-type]
    return EncoderWorker(bus, encoder, config)


def drain(bus: SharedBus, encoder: Encoder, **options: object) -> None:
    """One process, until it dies or all clips are through."""
    bus.finish(CLIPS.name)
    worker(bus, encoder, **options).run(Event())


class Running:
    """A worker in a thread."""

    def __init__(self, bus: SharedBus) -> None:
        self.stop, self.worker = Event(), worker(bus, Encoder())
        self._thread = threading.Thread(target=self.worker.run, args=(self.stop,))
        self._thread.start()

    def leave(self) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert not self.worker.settled


def wait(is_so: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + 20, Event()
    while not is_so():
        assert time.monotonic() < deadline
        pause.wait(0.005)


# -- a clip that kills ----------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 4])
def test_a_clip_that_kills_three_processes_is_put_aside(bus: SharedBus, batch: int) -> None:
    publish(bus, FIRST, *range(12))
    publish(bus, SECOND, 0, 1)
    before = counted("dead_letters_total", stage="encoder")
    bus.finish(CLIPS.name)
    deaths, alone = 0, 0
    while True:
        encoder = Encoder(batch, kills=True)
        try:
            drain(bus, encoder)
            break
        except Death:
            deaths += 1
            alone += encoder.batches[-1] == [POISON]
    # Before it was the first of its partition, nothing had been noted
    assert alone == 3 + (batch == 1)
    assert deaths >= 4
    assert all(POISON not in batch for batch in encoder.batches)
    assert letters(bus) == [(b"PoisonRecordError", b"3", str(POISON).encode())]
    expected = {(FIRST, i) for i in range(12) if i != POISON} | {(SECOND, 0), (SECOND, 1)}
    assert embeddings(bus) == Counter(expected)
    assert counted("dead_letters_total", stage="encoder") == before + 1


def test_the_first_clip_of_a_partition_is_noted_before_it_is_tried_alone(bus: SharedBus) -> None:
    publish(bus, FIRST, 0, 1, 2)
    encoder = Encoder(4)
    drain(bus, encoder)
    assert encoder.batches == [[0], [1, 2]]
    first, second, third = (commit[0] for commit in bus.commits)
    assert (first.offset, unpack_note(first.note).tries) == (0, 1)
    assert (second, third) == (Position(1), Position(3))


# -- commits that are lost ------------------------------------------------------------------------


@pytest.mark.parametrize("lose", [["outputs"], ["note"], ["outputs", "outputs", "note", "outputs"]])
def test_after_a_lost_commit_it_begins_anew(bus: SharedBus, lose: list[str]) -> None:
    publish(bus, FIRST, *range(6))
    publish(bus, SECOND, *range(6))
    before = counted("commits_lost_total", stage="encoder")
    bus.lose = list(lose)
    drain(bus, Encoder(4))
    assert embeddings(bus) == Counter((camera, i) for camera in (FIRST, SECOND) for i in range(6))
    assert letters(bus) == []  # it lived, however often it tried
    assert counted("commits_lost_total", stage="encoder") == before + len(lose)


# -- partitions that come and go ------------------------------------------------------------------


def test_two_share_the_cameras_and_one_leaves(bus: SharedBus) -> None:
    one = Running(bus)
    wait(lambda: one.worker.settled)
    publish(bus, FIRST, 0, 1)
    two = Running(bus)
    wait(lambda: one.worker.settled and two.worker.settled)
    publish(bus, FIRST, 2, 3)
    publish(bus, SECOND, 0, 1)
    everything = Counter([*((FIRST, i) for i in range(4)), (SECOND, 0), (SECOND, 1)])
    wait(lambda: embeddings(bus) == everything)
    one.leave()
    publish(bus, FIRST, 4)
    everything[FIRST, 4] = 1
    wait(lambda: embeddings(bus) == everything)
    two.leave()


def test_what_was_gathered_of_a_lost_partition_is_left_to_others(bus: SharedBus) -> None:
    """A partition goes while a batch fills: its clips are neither encoded here nor committed."""
    publish(bus, FIRST, 0)
    publish(bus, SECOND, 0)
    encoder = Encoder(4)
    built = EncoderWorker(bus, encoder, EncoderConfig(wait_seconds=5.0), clock=lambda: 0.0)
    subscription = built._subscribe()
    poll, polls = subscription.poll, []

    def polled(timeout: float, max_records: int = 256):
        polls.append(timeout)
        if len(polls) == 2:
            rival = bus.subscribe(CLIPS.name, "watchword-encoder", Rebalance())
            poll(0.0, max_records)
            assert [record.key for record in rival.poll(0.0)] == [SECOND]
            bus.finish(CLIPS.name)
            return []
        return poll(timeout, max_records)

    subscription.poll = polled  # type: ignore[method-assign]
    built._work(subscription, Event())
    assert embeddings(bus) == Counter([(FIRST, 0)])
    assert [set(commit) for commit in bus.commits] == [{0}, {0}]


# -- clips that come too late ---------------------------------------------------------------------


def test_live_clips_that_come_too_late_are_dropped_and_counted() -> None:
    bus = SharedBus()
    bus._clock = lambda: now
    now, before = 1000.0, counted("clips_stale_total", camera=FIRST)
    publish(bus, FIRST, 0, 1)
    publish(bus, SECOND, 0, clock="file")
    bus.publish(Message(CLIPS.name, SECOND, b"?"))
    now = 1061.0
    publish(bus, FIRST, 2)
    bus.finish(CLIPS.name)
    config = EncoderConfig(wait_seconds=0.0, poll_seconds=0.01, stale_seconds=60.0)
    encoder = Encoder(8)
    EncoderWorker(bus, encoder, config, now=lambda: now).run(Event())
    assert embeddings(bus) == Counter([(FIRST, 2), (SECOND, 0)])
    assert counted("clips_stale_total", camera=FIRST) == before + 2
    assert [(error, attempt) for error, attempt, _ in letters(bus)] == [(b"RecordError", b"2")]
    assert bus.commits[-1] == {0: Position(3), 1: Position(2)}
    bus.close()


def test_without_a_limit_nothing_is_too_late() -> None:
    bus = SharedBus()
    bus._clock = lambda: 0.0
    publish(bus, FIRST, 0)
    drain(bus, Encoder())
    assert embeddings(bus) == Counter([(FIRST, 0)])
    bus.close()

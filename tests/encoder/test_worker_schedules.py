"""Overlapped or in turns, on any schedule: every clip comes out once, in order, with its position.

One thread, no clock: the schedule says when what is in flight comes through.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from encoder.config import EncoderConfig
from encoder.errors import ClipError
from encoder.flight import Flight
from encoder.worker import EncoderWorker
from streamer.bus import (
    CLIPS,
    DEAD_LETTERS,
    EMBEDDINGS,
    Message,
    Partitions,
    Position,
    Rebalance,
    Record,
)
from streamer.clip import Clip
from streamer.errors import CommitLostError
from streamer.progress import unpack_note
from streamer.record import pack_clip
from tests.encoder.models import SPACE, random_clips

PARTITIONS = 3
CLIP = random_clips(1)[0]
Outcome = tuple[str, bytes | None]  # topic and value


class Numbers:
    """Its vectors show which clip they are of; it refuses clips whose first pixel is 255."""

    space = SPACE
    best_batch = 3

    def __init__(self, overlaps: bool) -> None:
        self.overlaps = overlaps

    def encode(self, clips: np.ndarray) -> np.ndarray:
        first = clips[:, 0, 0, 0, :].astype(np.float32)  # [B, 3]
        if clips.shape[1:] != CLIP.shape or (first[:, 0] == 255).any():
            raise ClipError("another shape, or 255")
        vectors = np.zeros((len(clips), SPACE.dims), np.float32)
        vectors[:, :3] = first
        vectors[:, 3] = 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class HandLane:
    """A flight comes through when the schedule says so, or when somebody waits for it."""

    def __init__(self) -> None:
        self._flying: Flight | None = None

    def send(self, flight: Flight) -> None:
        assert self._flying is None or self._flying.is_over, "one at a time"
        self._flying = flight
        flight.wait = lambda seconds=None: self.bring()  # type: ignore[method-assign]

    def bring(self) -> None:
        if self._flying and not self._flying.is_over:
            self._flying.fly()

    def close(self) -> None:
        pass


@dataclass
class Group:
    """Partitions as a broker has them; a poll first does what the schedule says."""

    logs: Sequence[Sequence[Record]]
    schedule: list[str | int]
    lane: HandLane
    positions: dict[int, Position] = field(default_factory=dict)
    outcomes: dict[int, list[Outcome]] = field(default_factory=dict)
    owned: dict[int, int] = field(default_factory=dict)  # partition -> next offset to hand out
    loses: bool = False
    rebalance: Rebalance = field(default_factory=Rebalance)
    settled = True

    def subscribe(self, topic: str, group: str, rebalance: Rebalance) -> "Group":
        self.rebalance = rebalance
        return self

    def finish(self, topic: str) -> None:
        assert topic == EMBEDDINGS.name

    @property
    def finished(self) -> bool:
        if self.schedule or len(self.owned) < PARTITIONS:
            return False
        return all(at >= len(self.logs[p]) for p, at in self.owned.items())

    def poll(self, timeout: float, max_records: int = 256) -> Sequence[Record]:
        assert max_records > 0
        step = self.schedule.pop(0) if self.schedule else "all"
        if step == "land":
            self.lane.bring()
        elif step == "lose":
            self.loses = True
        elif step == "all":
            self._assign(frozenset(range(PARTITIONS)) - self.owned.keys())
        elif isinstance(step, int) and step < PARTITIONS:
            self._change(step)
        else:
            return []
        given: list[Record] = []
        for partition, at in self.owned.items():
            more = self.logs[partition][at : at + max_records - len(given)]
            self.owned[partition] += len(more)
            given += more
        return given

    def _change(self, partition: int) -> None:
        if partition not in self.owned:
            self._assign(frozenset({partition}))
            return
        self.rebalance.on_revoked(frozenset({partition}))
        del self.owned[partition]

    def _assign(self, gained: Partitions) -> None:
        if gained:
            self.owned |= {p: self._offset(p) for p in gained}
            self.rebalance.on_assigned(gained)

    def _offset(self, partition: int) -> int:
        return self.positions.get(partition, Position(0)).offset

    def committed(self, partition: int) -> Position | None:
        return self.positions.get(partition)

    def commit(self, outputs: Iterable[Message], positions: Mapping[int, Position]) -> None:
        outputs = list(outputs)
        if self.loses:
            self.loses = False
            raise CommitLostError("lost")
        assert positions.keys() <= self.owned.keys()
        for partition, position in positions.items():
            before = self._offset(partition)
            assert before <= position.offset <= self.owned[partition], "a position never goes back"
            records = self.logs[partition][before : position.offset]
            of_it = [each for each in outputs if each.key == f"c{partition}"]
            assert len(of_it) == len(records), "what is done is what is said"
            self.outcomes.setdefault(partition, []).extend((m.topic, m.value) for m in of_it)
            assert unpack_note(position.note).tries <= 1
            self.positions[partition] = position
        assert {each.key for each in outputs} <= {f"c{p}" for p in positions}

    def close(self) -> None:
        self.owned.clear()


def record(partition: int, offset: int, kind: str) -> Record:
    frames = CLIP.copy()
    frames[0, 0, 0] = (255 if kind == "refused" else offset, partition, 1)
    clip = Clip(f"c{partition}", 1, offset, 0.0, 2.0, 2.0, frames, "arrival")
    odd = Clip(f"c{partition}", 1, offset, 0.0, 2.0, 2.0, frames[:1], "arrival")
    value = {"broken": b"?", "none": None, "odd": pack_clip(odd)}.get(kind, pack_clip(clip))
    return Record(CLIPS.name, partition, offset, f"c{partition}", value, (), published=0.0)


def outcomes(
    logs: Sequence[Sequence[Record]], schedule: Sequence[str | int], batch: int, overlaps: bool
) -> dict[int, list[Outcome]]:
    lane = HandLane()
    group = Group(logs, list(schedule), lane)
    config = EncoderConfig(batch=batch)
    # Time stands still: what was produced at 0 may wait, and does not once all was handed out
    worker = EncoderWorker(
        group,  # type: ignore[arg-type]
        Numbers(overlaps),
        config,
        clock=lambda: 0.0,
        now=lambda: 0.0,
    )
    if overlaps:
        worker._lane = lane  # type: ignore[assignment]
    worker.run(Event())
    return group.outcomes


KINDS = st.sampled_from(["clip", "clip", "clip", "refused", "broken", "none", "odd"])
LOGS = st.lists(st.lists(KINDS, max_size=8), min_size=PARTITIONS, max_size=PARTITIONS)
STEPS = st.sampled_from([0, 1, 2, 0, 1, 2, "land", "land", "nothing", "nothing", "lose", "all"])


@given(LOGS, st.lists(STEPS, max_size=25), st.integers(1, 5))
def test_every_clip_comes_out_once_and_in_order(
    kinds: list[list[str]], schedule: list[str | int], batch: int
) -> None:
    logs = [[record(p, at, kind) for at, kind in enumerate(each)] for p, each in enumerate(kinds)]
    expected = outcomes(logs, ["all"], batch=1, overlaps=False)
    for overlaps in (True, False):
        assert outcomes(logs, schedule, batch, overlaps) == expected
    for partition, each in enumerate(kinds):
        topics = [topic for topic, _ in expected.get(partition, [])]
        good = [EMBEDDINGS.name if kind == "clip" else DEAD_LETTERS.name for kind in each]
        assert topics == good

"""Footage: what every training source is turned into, and how it is split."""

import hashlib
from dataclasses import dataclass
from typing import Literal

FOLDS = 5
FRAME_WIDTH, FRAME_HEIGHT = 320, 192

FootageKind = Literal["video", "still"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens from `start` to `end`, seconds from the footage's beginning."""

    concept: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Footage:
    """One clip or picture of a source; its frames are rows `row` .. `row + frames` of the cache.

    `group` is the camera, incident or room: footage of one group never stands on both sides of a
    split. `shows` names concepts seen all through, `events` those placed in time, `lacks` those
    known never to be seen; of any other concept nothing is known.
    """

    id: str
    source: str
    group: str
    kind: FootageKind
    fps: float
    frames: int
    row: int = 0
    shows: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    lacks: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    split: str = "train"  # Flickr8k's own: train, dev, test

    @property
    def seconds(self) -> float:
        """How long it lasts; a still lasts as long as it is shown."""
        return self.frames / self.fps

    def has(self, concept: str) -> bool:
        """Whether the concept is seen in any of it."""
        return concept in self.shows or any(event.concept == concept for event in self.events)


def fold_of(group: str) -> int:
    """The fold (0 .. FOLDS - 1) in which a source group is held out: a stable hash of its name."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") % FOLDS

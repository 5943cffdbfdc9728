"""Which partitions a reader of a group has, and what it has still to be told of."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from streamer.bus import Partitions


class Watcher(Protocol):
    """Whom a consumer tells, in a thread of its own, of partitions that come and go."""

    def on_gained(self, gained: Partitions) -> None:
        """These are this reader's now."""

    def on_leaving(self, leaving: Partitions) -> None:
        """These are another's once the consumer is polled again."""

    def on_lost(self, lost: Partitions) -> None:
        """These may be another's already."""


@dataclass(slots=True)
class Change:
    """Partitions the reader is to be told of, inside its `poll`."""

    gained: bool
    partitions: set[int]


class Assignment:
    """The reader's partitions. Guarded by its owner's lock.

    A partition arrives, is looked up, and is the reader's as it is told of it. One that leaves
    is the reader's until it was told so; one that is `gone` may be another's already.
    """

    def __init__(self) -> None:
        self.owned: set[int] = set()
        self.gone: set[int] = set()
        self.arrived: set[int] = set()  # not looked up yet
        self._changes: deque[Change] = deque()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is to be looked up or told."""
        return not self.arrived and not self._changes

    @property
    def next_change(self) -> Change | None:
        """What the reader is to be told first."""
        return self._changes[0] if self._changes else None

    @property
    def is_letting_go(self) -> bool:
        """Whether a partition waits for the reader before it may go to another."""
        return any(not c.gained and not c.partitions <= self.gone for c in self._changes)

    @property
    def leaving(self) -> set[int]:
        """Partitions that the reader is to be told the loss of."""
        return {p for change in self._changes if not change.gained for p in change.partitions}

    def arrive(self, partitions: Iterable[int]) -> None:
        """The group gave these to the reader."""
        self.arrived |= set(partitions)

    def look_up(self, partitions: Partitions) -> Partitions:
        """What is to be known of these is known; those of them that are still here."""
        here = self.arrived & partitions
        self.arrived -= here
        if here:
            self._changes.append(Change(True, set(here)))
        return frozenset(here)

    def leave(self, partitions: Partitions) -> None:
        """The group wants these back, and waits for it."""
        self.arrived -= partitions
        for change in self._changes:
            if change.gained:
                change.partitions -= partitions & (change.partitions - self._being_told(change))
        self._changes = deque(change for change in self._changes if change.partitions)
        held = set(partitions & self.owned) - self.leaving
        if held:
            self._changes.append(Change(False, held))

    def lose(self, partitions: Partitions) -> None:
        """The group took these away."""
        self.leave(partitions)
        self.gone |= partitions & self.owned

    def give_up_waiting(self) -> None:
        """What the reader should have let go of goes to another now."""
        self.gone |= self.leaving

    def begin_telling(self, change: Change) -> None:
        """The reader is being told; partitions that it gains are its own from here on."""
        if change.gained:
            self.owned |= change.partitions

    def end_telling(self, change: Change) -> None:
        """The reader was told; partitions that leave are not its own any more."""
        self._changes.popleft()
        if not change.gained:
            self.owned -= change.partitions
            self.gone -= change.partitions

    def _being_told(self, change: Change) -> set[int]:
        return change.partitions & self.owned

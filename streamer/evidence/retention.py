"""Which evidence has to go: a pure plan."""

from collections.abc import Iterable
from dataclasses import dataclass

from streamer.evidence.names import begun_at
from streamer.evidence.shelf import Entry


@dataclass(frozen=True, slots=True)
class Limits:
    """What may stay: nothing that began before `oldest` (UTC seconds), and so many bytes."""

    oldest: float
    most_bytes: int


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What is to be removed, the oldest first, and why; and the bytes that stay."""

    too_old: tuple[str, ...]
    too_many: tuple[str, ...]
    kept_bytes: int


def plan_retention(entries: Iterable[Entry], limits: Limits) -> RetentionPlan:
    """What has to go of these files; those whose names are no evidence's are left alone."""
    dated = sorted(
        (at, entry.name, entry.size)
        for entry in entries
        if (at := begun_at(entry.name)) is not None
    )
    too_old = tuple(name for at, name, _ in dated if at < limits.oldest)
    rest = dated[len(too_old) :]
    total = sum(size for _, _, size in rest)
    too_many = []
    for _, name, size in rest:
        if total <= limits.most_bytes:
            break
        too_many.append(name)
        total -= size
    return RetentionPlan(too_old, tuple(too_many), total)

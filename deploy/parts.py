"""What every part of a running process is, and which parts there are."""

import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from deploy.errors import UsageError

PARTS = ("streamer", "encoder", "grounding", "api")  # in the order of the data's way
BEFORE = {after: before for before, after in pairwise(PARTS)}  # whose output a part takes in


class Part(Protocol):
    """A part of the process: built without starting anything, it works inside `run`."""

    @property
    def name(self) -> str:
        """One of PARTS; the name of a server of health and metrics alone is none of them."""

    @property
    def ready(self) -> bool:
        """Whether it works: it has read what lay there, and nobody takes anything over."""

    def run(self, stop: threading.Event) -> None:
        """Work until the topics it reads are finished, or at once when `stop` is set.

        Either way the topic that it writes is finished then: the next part drains.
        """


def choose_parts(only: str | None, bootstrap_servers: str) -> tuple[str, ...]:
    """The parts that `--only streamer,encoder` names; all without it.

    Raises UsageError for an unknown part, and for some parts without what would connect them to
    the others.
    """
    if only is None:
        return PARTS
    named = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in named if name not in PARTS]
    if unknown or not named:
        raise UsageError(f"--only {only!r}: name some of {', '.join(PARTS)}, with commas between")
    chosen = tuple(part for part in PARTS if part in named)
    if chosen != PARTS and not bootstrap_servers:
        missing = ", ".join(part for part in PARTS if part not in chosen)
        raise UsageError(
            f"--only {','.join(chosen)} leaves out {missing}, which this process would have to "
            "reach through Kafka: set kafka.bootstrap_servers, or run all parts in one process"
        )
    return chosen


def clips_travel(parts: Sequence[str]) -> bool:
    """Whether clips leave or reach a process with these parts, rather than staying in its memory.

    >>> clips_travel(("streamer", "encoder")), clips_travel(("encoder", "grounding"))
    (False, True)
    """
    return ("streamer" in parts) != ("encoder" in parts)

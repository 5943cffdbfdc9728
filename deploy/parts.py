"""What every part of a running process is, and which parts there are."""

import threading
from typing import Protocol

from deploy.errors import UsageError

PARTS = ("streamer", "encoder", "grounding", "api")  # in the order of the data's way


class Part(Protocol):
    """A part of the process: built without starting anything, it works inside `run`."""

    @property
    def name(self) -> str:
        """One of PARTS."""

    def run(self, stop: threading.Event) -> None:
        """Work until the topics it reads are finished, or at once when `stop` is set."""


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
    if chosen == PARTS:
        return PARTS
    missing = ", ".join(part for part in PARTS if part not in chosen)
    if not bootstrap_servers:
        raise UsageError(
            f"--only {','.join(chosen)} leaves out {missing}, which this process would have to "
            "reach through Kafka: set kafka.bootstrap_servers, or run all parts in one process"
        )
    raise UsageError(
        f"--only {','.join(chosen)}: this version does not speak Kafka yet; run all parts in one "
        "process, without --only"
    )

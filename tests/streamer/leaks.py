"""What a process holds of the system: threads, descriptors, shared memory, children."""

import gc
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path


def mapped_rings(pid: int | str = "self") -> int:
    """How many memory files of cameras the process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return sum("memfd:watchword-clips" in line for line in maps)


def children() -> set[int]:
    """The processes this one has started that are not waited for yet."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


@dataclass(frozen=True)
class Held:
    """What is held now."""

    threads: frozenset[str]
    descriptors: int
    rings: int
    children: frozenset[int]

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        return cls(
            frozenset(thread.name for thread in threading.enumerate()),
            len(os.listdir("/proc/self/fd")),
            mapped_rings(),
            frozenset(children()),
        )

    def check_nothing_more(self, patience: float = 10.0) -> None:
        """Nothing more is held than before; what is about to end is waited for."""
        deadline = time.monotonic() + patience
        while self._more(now := Held.now()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not self._more(now), (self, now)

    def _more(self, now: "Held") -> bool:
        return bool(
            now.threads - self.threads
            or now.descriptors > self.descriptors
            or now.rings > self.rings
            or now.children - self.children
        )


def is_gone(pid: int) -> bool:
    """Whether the process is over; one that nobody waits for yet is."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"

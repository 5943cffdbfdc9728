"""How far a build is: TensorRT's phases, as lines between the builder's process and its parent."""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import tensorrt


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """A phase of TensorRT's, and how much of it is done."""

    phase: str
    done: int
    steps: int
    depth: int = 0  # phases have phases within


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """The build ended without an engine."""

    kind: str  # the name of the error's class
    sentence: str


class Built(msgspec.Struct, frozen=True, kw_only=True, tag="built"):
    """The plan lies in its file."""

    plan_bytes: int


Line = Progress | Failure | Built
Tell = Callable[[Line], None]

_READER = msgspec.json.Decoder(Line)


def write_line(line: Line) -> bytes:
    """A line as bytes, its end too."""
    return msgspec.json.encode(line) + b"\n"


def read_line(line: bytes) -> Line | None:
    """What `write_line` wrote; None for anything else, since libraries print what they like."""
    try:
        return _READER.decode(line)
    except msgspec.DecodeError:
        return None


class Phases:
    """Phases that are open, from the outermost to the innermost; safe between threads."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._steps: dict[str, int] = {}
        self._lock = Lock()

    def start(self, phase: str, steps: int) -> None:
        """A phase begins."""
        with self._lock:
            self._steps[phase] = steps
            self._say(phase, 0)

    def step(self, phase: str, step: int) -> None:
        """A step of it, counted from 0, is done."""
        with self._lock:
            if phase in self._steps:
                self._say(phase, step + 1)

    def finish(self, phase: str) -> None:
        """It is over, whatever steps were left."""
        with self._lock:
            if phase in self._steps:
                self._say(phase, self._steps[phase])
                del self._steps[phase]

    def _say(self, phase: str, done: int) -> None:
        depth = list(self._steps).index(phase)
        self._tell(Progress(phase=phase, done=done, steps=self._steps[phase], depth=depth))


def make_monitor(tell: Tell) -> "tensorrt.IProgressMonitor":
    """TensorRT's view of `Phases`."""
    import tensorrt

    phases = Phases(tell)

    class Monitor(tensorrt.IProgressMonitor):
        def __init__(self) -> None:
            tensorrt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            phases.start(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            phases.step(phase_name, step)
            return True

        def phase_finish(self, phase_name: str) -> None:
            phases.finish(phase_name)

    return Monitor()

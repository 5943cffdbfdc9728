"""What TensorRT says of itself: kept where it explains a failure, and otherwise not told."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorrt

_KEPT = 20  # errors; the first explains the others
_LETTERS = 300  # of a sentence at most
_REQUESTED = re.compile(r"requested size was (\d+) bytes", re.I)
_MEMORY = re.compile(r"out ?of ?memory|requested size was|cudaErrorMemoryAllocation", re.I)


class Complaints:
    """Errors that TensorRT logged."""

    def __init__(self) -> None:
        self._errors: list[str] = []

    def add(self, message: str) -> None:
        """Keep an error."""
        if len(self._errors) < _KEPT:
            self._errors.append(" ".join(message.split()))

    @property
    def told(self) -> str:
        """The first of them, cut where it is long."""
        return self._errors[0][:_LETTERS] if self._errors else "it does not say why"

    @property
    def of_memory(self) -> bool:
        """Whether memory ran out."""
        return any(_MEMORY.search(error) for error in self._errors)

    @property
    def wanted_bytes(self) -> int:
        """The most that was asked for in vain; 0 if that was not said."""
        asked = (int(found) for error in self._errors for found in _REQUESTED.findall(error))
        return max(asked, default=0)


def make_logger(complaints: Complaints) -> "tensorrt.ILogger":
    """A logger for TensorRT that passes errors on and swallows everything else."""
    import tensorrt

    class Logger(tensorrt.ILogger):
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)

        def log(self, severity: "tensorrt.ILogger.Severity", msg: str) -> None:
            severities = tensorrt.ILogger.Severity
            if severity in (severities.ERROR, severities.INTERNAL_ERROR):
                complaints.add(msg)

    return Logger()

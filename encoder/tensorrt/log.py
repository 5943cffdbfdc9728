"""What TensorRT says of itself: kept where it explains a failure, and otherwise not told."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorrt

_KEPT = 20  # errors; the first explains the others
_LETTERS = 300  # of a sentence at most
_REQUESTED = re.compile(r"requested size was (\d+) bytes", re.I)
_MEMORY = re.compile(r"out ?of ?memory|requested size was|cudaErrorMemoryAllocation", re.I)
# Without memory for any kernel of an operator, the errors say no more than this, and why is a
# warning for each kernel
_NO_KERNEL = re.compile(r"could not find any implementation", re.I)
_DENIED = re.compile(
    r"requested amount of GPU memory \((\d+) bytes\) could not be allocated"
    r"|insuff?icient memory on requested size of (\d+)",
    re.I,
)
# The memory that the threads of a block share is short in the same words: a few kilobytes
_LEAST_BYTES = 1 << 20


class Complaints:
    """Errors that TensorRT logged, and the memory it did not get."""

    def __init__(self) -> None:
        self._errors: list[str] = []
        self._denied_bytes = 0

    def add(self, message: str) -> None:
        """Keep an error."""
        if len(self._errors) < _KEPT:
            self._errors.append(" ".join(message.split()))

    def warn(self, message: str) -> None:
        """Keep of a warning how much memory was asked for in vain, if that is what it says."""
        for amounts in _DENIED.findall(message):
            asked = int("".join(amounts))
            if asked >= _LEAST_BYTES:
                self._denied_bytes = max(self._denied_bytes, asked)

    def clear(self) -> None:
        """Forget all: it was about something that was given up."""
        self._errors.clear()
        self._denied_bytes = 0

    def __bool__(self) -> bool:
        """Whether there was an error."""
        return bool(self._errors)

    @property
    def told(self) -> str:
        """The first of them, cut where it is long."""
        return self._errors[0][:_LETTERS] if self._errors else "it does not say why"

    @property
    def of_memory(self) -> bool:
        """Whether memory ran out."""
        if any(_MEMORY.search(error) for error in self._errors):
            return True
        no_kernel = any(_NO_KERNEL.search(error) for error in self._errors)
        return self._denied_bytes > 0 and (no_kernel or not self._errors)

    @property
    def wanted_bytes(self) -> int:
        """The most that was asked for in vain; 0 if that was not said."""
        asked = (int(found) for error in self._errors for found in _REQUESTED.findall(error))
        return max(asked, default=0) or self._denied_bytes


def make_logger(complaints: Complaints) -> "tensorrt.ILogger":
    """A logger for TensorRT that keeps complaints and swallows everything else."""
    import tensorrt

    class Logger(tensorrt.ILogger):
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)

        def log(self, severity: "tensorrt.ILogger.Severity", msg: str) -> None:
            severities = tensorrt.ILogger.Severity
            if severity in (severities.ERROR, severities.INTERNAL_ERROR):
                complaints.add(msg)
            elif severity == severities.WARNING:
                complaints.warn(msg)

    return Logger()

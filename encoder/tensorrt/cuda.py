"""Memory, streams, events and graphs of one card; every error is ours."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.errors import CardMemoryError, EngineError
from encoder.tensorrt.installed import error_words, load_cuda

GIGABYTE = 1e9


class Cuda:
    """A card, and what was taken of it; `close` gives all of it back, graphs first, last first.

    Raises EngineError, or CardMemoryError where memory is short. A thread calls `use` before
    anything else: which card is meant is a matter of the thread.
    """

    def __init__(self, device: int) -> None:
        self._cuda = load_cuda()
        self._device = device
        self._releases: list[Callable[[], object]] = []
        self._graphs: list[Callable[[], object]] = []
        self.use()

    def use(self) -> None:
        """Make this card the one that the calling thread talks to."""
        self._call("cudaSetDevice", self._device)

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and all."""
        free, total = self._call("cudaMemGetInfo")
        return int(free), int(total)

    def allocate(self, size: int) -> int:
        """The address of so many bytes on the card."""
        (address,) = self._call("cudaMalloc", size, wanted=size)
        self._releases.append(lambda: self._cuda.cudaFree(address))
        return int(address)

    def pinned(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """An array in host memory that the card copies from and to by itself."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        flags = self._cuda.cudaHostAllocDefault
        (address,) = self._call("cudaHostAlloc", size, flags, wanted=size)
        self._releases.append(lambda: self._cuda.cudaFreeHost(address))
        memory = (ctypes.c_uint8 * size).from_address(int(address))
        array: NDArray[Any] = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
        return array

    def stream(self) -> int:
        """A queue of work that does not wait for the default one."""
        (stream,) = self._call("cudaStreamCreateWithFlags", self._cuda.cudaStreamNonBlocking)
        self._releases.append(lambda: self._cuda.cudaStreamDestroy(stream))
        return int(stream)

    def event(self) -> Any:
        """A mark in a stream; it sleeps while it is waited for, so that decoding has the core."""
        flags = self._cuda.cudaEventDisableTiming | self._cuda.cudaEventBlockingSync
        (event,) = self._call("cudaEventCreateWithFlags", flags)
        self._releases.append(lambda: self._cuda.cudaEventDestroy(event))
        return event

    def record(self, event: Any, stream: int) -> None:
        """Set the mark behind what the stream holds now."""
        self._call("cudaEventRecord", event, stream)

    def follow(self, stream: int, event: Any) -> None:
        """What comes into the stream from now on waits for the mark."""
        self._call("cudaStreamWaitEvent", stream, event, 0)

    def wait(self, event: Any) -> None:
        """Return once the mark is reached; raises what went wrong on the way."""
        self._call("cudaEventSynchronize", event)

    def finish(self, stream: int) -> None:
        """Return once the stream is empty."""
        self._call("cudaStreamSynchronize", stream)

    def upload(self, device: int, host: NDArray[Any], size: int, stream: int) -> None:
        """Copy the first bytes of a pinned array to the card."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", device, host.ctypes.data, size, kind, stream)

    def download(self, host: NDArray[Any], device: int, size: int, stream: int) -> None:
        """Copy bytes of the card to the beginning of a pinned array."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", host.ctypes.data, device, size, kind, stream)

    def capture(self, work: Callable[[], None], stream: int) -> Any:
        """What `work` puts into the stream, as a graph that can be launched again and again."""
        # Of this thread alone: others may take memory meanwhile, which a global capture forbids
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        finally:
            (graph,) = self._call("cudaStreamEndCapture", stream)
        try:
            (ready,) = self._call("cudaGraphInstantiate", graph, 0)
        finally:
            self._call("cudaGraphDestroy", graph)
        self._graphs.append(lambda: self._cuda.cudaGraphExecDestroy(ready))
        return ready

    def launch(self, graph: Any, stream: int) -> None:
        """Put a graph into a stream."""
        self._call("cudaGraphLaunch", graph, stream)

    def drop_graphs(self) -> None:
        """Give the graphs back: before the contexts whose kernels and memory they name."""
        self.use()
        while self._graphs:
            self._graphs.pop()()

    def close(self) -> None:
        """Give everything back. Nothing may be under way."""
        self.drop_graphs()
        while self._releases:
            self._releases.pop()()

    def _call(self, name: str, *arguments: Any, wanted: int = 0) -> tuple[Any, ...]:
        """What a function gives beside its error; `wanted` are the bytes it is asked for."""
        error, *values = getattr(self._cuda, name)(*arguments)
        if not int(error):
            return tuple(values)
        words = error_words(self._cuda, error)
        if error == self._cuda.cudaError_t.cudaErrorMemoryAllocation:
            what = f"{wanted / GIGABYTE:.2f} GB" if wanted else name
            raise CardMemoryError(
                f"card cuda:{self._device} has no memory left for {what} ({words}): end what else"
                " uses it, or build an engine for fewer clips"
            )
        raise EngineError(f"card cuda:{self._device} fails at {name} ({words}): restart Watchword")

"""Stands for cuda-python's `cuda.bindings.runtime`: a card of host memory.

Streams are queues: what is put into one happens when somebody waits for it and not before, so that
memory which is written to too early or read too late shows.
"""

import ctypes
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from types import SimpleNamespace
from typing import Any


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100
    cudaErrorLaunchFailure = 719


cudaMemcpyKind = IntEnum("cudaMemcpyKind", "cudaMemcpyHostToDevice cudaMemcpyDeviceToHost")
cudaStreamCaptureMode = IntEnum("cudaStreamCaptureMode", "cudaStreamCaptureModeThreadLocal")
cudaHostAllocDefault = 0
cudaStreamNonBlocking = 1
cudaEventDisableTiming, cudaEventBlockingSync = 2, 1

ONE_AT_A_TIME = threading.RLock()
OK = (cudaError_t.cudaSuccess,)


@dataclass
class Stream:
    work: list[Callable[[], None]] = field(default_factory=list)
    done: int = 0
    captured: list[Callable[[], None]] | None = None

    def put(self, work: Callable[[], None]) -> None:
        (self.work if self.captured is None else self.captured).append(work)

    def run(self, until: int) -> None:
        with ONE_AT_A_TIME:  # who waits for work that another thread does waits until it is done
            while self.done < until:
                self.done += 1
                self.work[self.done - 1]()


@dataclass
class Card:
    """All that there is to look at afterwards."""

    count: int = 1
    total: int = 10_000_000
    name: str = "NVIDIA Fake"
    streams: dict[int, Stream] = field(default_factory=dict)
    events: dict[int, tuple[Stream, int]] = field(default_factory=dict)
    device: dict[int, Any] = field(default_factory=dict)  # address -> memory
    host: dict[int, Any] = field(default_factory=dict)
    graphs: dict[int, list[Callable[[], None]]] = field(default_factory=dict)
    handles: int = 1000
    calls: list[str] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)  # functions that fail from now on
    full: set[str] = field(default_factory=set)  # functions that find no memory from now on
    freed: list[str] = field(default_factory=list)  # what was given back, in order
    threads: threading.local = field(default_factory=threading.local)

    def handle(self) -> int:
        self.handles += 1
        return self.handles

    @property
    def used(self) -> int:
        return sum(len(memory) for memory in self.device.values())


CARD = Card(**json.loads(os.environ.get("FAKE_CARD", "{}")))


def reset() -> Card:
    CARD.__init__(**json.loads(os.environ.get("FAKE_CARD", "{}")))  # type: ignore[misc]
    return CARD


def _called(name: str) -> tuple[cudaError_t, ...] | None:
    CARD.calls.append(name)
    if name != "cudaSetDevice":
        assert getattr(CARD.threads, "device", None) is not None, f"{name} on no card"
    if name in CARD.full:
        return cudaError_t.cudaErrorMemoryAllocation, None
    return (cudaError_t.cudaErrorLaunchFailure, None) if name in CARD.fails else None


def cudaGetErrorString(error: cudaError_t) -> tuple[Any, ...]:
    return *OK, cudaError_t(error).name.encode()


def cudaGetDeviceCount() -> tuple[Any, ...]:
    return (*OK, CARD.count) if CARD.count else (cudaError_t.cudaErrorNoDevice, None)


def cudaGetDeviceProperties(device: int) -> tuple[Any, ...]:
    return *OK, SimpleNamespace(name=CARD.name.encode() + b"\0\0", major=9, minor=0)


def cudaSetDevice(device: int) -> tuple[Any, ...]:
    CARD.threads.device = device
    return _called("cudaSetDevice") or OK


def cudaMemGetInfo() -> tuple[Any, ...]:
    return _called("cudaMemGetInfo") or (*OK, CARD.total - CARD.used, CARD.total)


def _allocate(where: dict[int, Any], size: int) -> int:
    memory = (ctypes.c_uint8 * size)(*b"\xa5" * size)  # nobody may rely on zeros
    where[ctypes.addressof(memory)] = memory
    return ctypes.addressof(memory)


def hold(size: int) -> Callable[[], None]:
    """Memory that a library takes for itself, and how it is given back."""
    address = _allocate(CARD.device, size)
    return lambda: CARD.device.pop(address, None)


def cudaMalloc(size: int) -> tuple[Any, ...]:
    if CARD.used + size > CARD.total:
        return cudaError_t.cudaErrorMemoryAllocation, None
    return _called("cudaMalloc") or (*OK, _allocate(CARD.device, size))


def cudaFree(address: int) -> tuple[Any, ...]:
    CARD.freed.append("memory")
    del CARD.device[address]
    return OK


def cudaHostAlloc(size: int, flags: int) -> tuple[Any, ...]:
    return _called("cudaHostAlloc") or (*OK, _allocate(CARD.host, size))


def cudaFreeHost(address: int) -> tuple[Any, ...]:
    del CARD.host[address]
    return OK


def cudaStreamCreateWithFlags(flags: int) -> tuple[Any, ...]:
    handle = CARD.handle()
    CARD.streams[handle] = Stream()
    return _called("cudaStreamCreateWithFlags") or (*OK, handle)


def cudaStreamDestroy(stream: int) -> tuple[Any, ...]:
    CARD.freed.append("stream")
    del CARD.streams[stream]
    return OK


def cudaStreamSynchronize(stream: int) -> tuple[Any, ...]:
    queue = CARD.streams[stream]
    queue.run(len(queue.work))
    return _called("cudaStreamSynchronize") or OK


def cudaEventCreateWithFlags(flags: int) -> tuple[Any, ...]:
    handle = CARD.handle()
    CARD.events[handle] = (Stream(), 0)
    return _called("cudaEventCreateWithFlags") or (*OK, handle)


def cudaEventDestroy(event: int) -> tuple[Any, ...]:
    CARD.freed.append("event")
    del CARD.events[event]
    return OK


def cudaEventRecord(event: int, stream: int) -> tuple[Any, ...]:
    queue = CARD.streams[stream]
    CARD.events[event] = (queue, len(queue.work))
    return _called("cudaEventRecord") or OK


def cudaEventSynchronize(event: int) -> tuple[Any, ...]:
    queue, position = CARD.events[event]
    queue.run(position)
    return _called("cudaEventSynchronize") or OK


def cudaStreamWaitEvent(stream: int, event: int, flags: int) -> tuple[Any, ...]:
    other, position = CARD.events[event]
    CARD.streams[stream].put(lambda: other.run(position))
    return _called("cudaStreamWaitEvent") or OK


def cudaMemcpyAsync(to: int, of: int, size: int, kind: int, stream: int) -> tuple[Any, ...]:
    host, device = (of, to) if kind == cudaMemcpyKind.cudaMemcpyHostToDevice else (to, of)
    assert len(CARD.host[host]) >= size, "a copy of memory that is not pinned"
    assert len(CARD.device[device]) >= size, "a copy of memory that is not the card's"
    CARD.streams[stream].put(lambda: ctypes.memmove(to, of, size))  # type: ignore[arg-type]
    return _called("cudaMemcpyAsync") or OK


def cudaStreamBeginCapture(stream: int, mode: int) -> tuple[Any, ...]:
    CARD.streams[stream].captured = []
    return _called("cudaStreamBeginCapture") or OK


def cudaStreamEndCapture(stream: int) -> tuple[Any, ...]:
    queue, handle = CARD.streams[stream], CARD.handle()
    assert queue.captured is not None
    CARD.graphs[handle], queue.captured = queue.captured, None
    return _called("cudaStreamEndCapture") or (*OK, handle)


def cudaGraphInstantiate(graph: int, flags: int) -> tuple[Any, ...]:
    if failed := _called("cudaGraphInstantiate"):
        return failed
    handle = CARD.handle()
    CARD.graphs[handle] = list(CARD.graphs[graph])
    return *OK, handle


def cudaGraphDestroy(graph: int) -> tuple[Any, ...]:
    del CARD.graphs[graph]
    return OK


def cudaGraphExecDestroy(graph: int) -> tuple[Any, ...]:
    CARD.freed.append("graph")
    del CARD.graphs[graph]
    return OK


def cudaGraphLaunch(graph: int, stream: int) -> tuple[Any, ...]:
    for work in CARD.graphs[graph]:
        CARD.streams[stream].put(work)
    return _called("cudaGraphLaunch") or OK

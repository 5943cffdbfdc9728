"""Stands for TensorRT: it builds plans that compute something simple, and fails as it is told.

What it is told stands in the variable FAKE_TENSORRT as JSON, so that the builder's process hears it
too. Its names are those of `typings/tensorrt`, no more and no less: a test compares them.
"""

import ctypes
import json
import os
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

__version__ = os.environ.get("FAKE_TENSORRT_VERSION", "11.4.0.106")

CLIP, DIMS, SCRATCH = (2, 4, 6, 3), 8, 64
BUILT: list[dict[str, Any]] = []  # what builders were asked for in this process


def _told() -> dict[str, Any]:
    return json.loads(os.environ.get("FAKE_TENSORRT", "{}"))  # type: ignore[no-any-return]


class Dims(tuple):  # type: ignore[type-arg]
    pass


class _Enumeration:
    def __init__(self, name: str, value: int) -> None:
        self._name, self._value = name, value

    def __int__(self) -> int:
        return self._value

    def __repr__(self) -> str:
        return self._name


class DataType(_Enumeration):
    pass


class NetworkDefinitionCreationFlag(_Enumeration):
    pass


class ProfilingVerbosity(_Enumeration):
    pass


class MemoryPoolType(_Enumeration):
    pass


class ExecutionContextAllocationStrategy(_Enumeration):
    pass


DataType.FLOAT, DataType.UINT8 = DataType("FLOAT", 0), DataType("UINT8", 5)
NetworkDefinitionCreationFlag.STRONGLY_TYPED = NetworkDefinitionCreationFlag("STRONGLY_TYPED", 1)
ProfilingVerbosity.DETAILED = ProfilingVerbosity("DETAILED", 2)
MemoryPoolType.WORKSPACE = MemoryPoolType("WORKSPACE", 0)
ExecutionContextAllocationStrategy.USER_MANAGED = ExecutionContextAllocationStrategy("USER", 2)


class ILogger:
    class Severity(_Enumeration):
        pass

    def __init__(self) -> None:
        pass

    def log(self, severity: "ILogger.Severity", msg: str) -> None:
        raise AssertionError("a logger has to log")


ILogger.Severity.INTERNAL_ERROR = ILogger.Severity("INTERNAL_ERROR", 0)
ILogger.Severity.ERROR = ILogger.Severity("ERROR", 1)
ILogger.Severity.WARNING = ILogger.Severity("WARNING", 2)


class IProgressMonitor:
    def __init__(self) -> None:
        pass

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        pass

    def step_complete(self, phase_name: str, step: int) -> bool:
        return True

    def phase_finish(self, phase_name: str) -> None:
        pass


class IHostMemory(bytes):
    @property
    def nbytes(self) -> int:
        return len(self)


class ITensor:
    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, Dims(shape)


class INetworkDefinition:
    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._inputs: list[ITensor] = []

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    def get_input(self, index: int) -> ITensor:
        return self._inputs[index]


class IOptimizationProfile:
    def __init__(self) -> None:
        self._shapes: dict[str, Any] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self._shapes[input] = (min, opt, max)


class ITimingCache:
    def __init__(self, stored: bytes) -> None:
        self._stored = bytes(stored)

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._stored + b"+")


class IBuilderConfig:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger
        self.builder_optimization_level = 3
        self.profiling_verbosity: Any = None
        self.progress_monitor: Any = None
        self._profiles: list[IOptimizationProfile] = []
        self._pools: dict[str, int] = {}
        self._cache: ITimingCache | None = None

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self._pools[repr(pool)] = pool_size

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        if serialized_timing_cache.startswith(b"damaged"):
            self._logger.log(ILogger.Severity.ERROR, "the cache cannot be deserialized")
            return None
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache._stored.startswith(b"foreign"):
            self._logger.log(ILogger.Severity.ERROR, "the cache is of another driver")
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._cache


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig(self._logger)

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None:
        told = _told()
        monitor = config.progress_monitor
        monitor.phase_start("Building", None, 2)
        monitor.phase_start("Timing", "Building", 3)
        for step in range(3):
            assert monitor.step_complete("Timing", step)
        monitor.phase_finish("Timing")
        time.sleep(told.get("seconds", 0))
        while "until" in told and not Path(told["until"]).exists():
            time.sleep(0.01)
        if "exit" in told:
            sys.stderr.write("a last word\n")
            sys.stderr.flush()
            os._exit(told["exit"])
        monitor.phase_finish("Building")
        self._logger.log(ILogger.Severity.WARNING, "not an error")
        for warning in told.get("warnings", ()):
            self._logger.log(ILogger.Severity.WARNING, warning)
        if "error" in told:
            self._logger.log(ILogger.Severity.ERROR, told["error"])
        if "error" in told or told.get("no_plan"):
            return None
        shapes = config._profiles[0]._shapes["frames"]
        BUILT.append({"flags": network._flags, "config": config, "shapes": shapes})
        plan = {"max_batch": shapes[2][0], "min_batch": shapes[0][0], **told.get("plan", {})}
        return IHostMemory(json.dumps(plan).encode())


class ParserError:
    def desc(self) -> str:
        return "its input has\nrank 3"

    def node_name(self) -> str:
        return "/blocks.0/attn"

    def node_operator(self) -> str:
        return "Attention"


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self._network = network

    def parse_from_file(self, model: str) -> bool:
        if not Path(model).is_file() or _told().get("unparsed"):
            return False
        shape = tuple(_told().get("shape", (-1, *CLIP)))
        self._network._inputs = [ITensor(_told().get("input", "frames"), shape)]
        return True

    @property
    def num_errors(self) -> int:
        return int(_told().get("unparsed", 0))

    def get_error(self, index: int) -> ParserError:
        return ParserError()


def _at_end(what: object, call: Callable[..., object], *arguments: object) -> None:
    weakref.finalize(what, call, *arguments).atexit = False


def _note_end(what: object, name: str) -> None:
    """Have the card note when something of ours ends, beside what is given back of its own."""
    from cuda.bindings import runtime

    _at_end(what, runtime.CARD.freed.append, name)


class IExecutionContext:
    def __init__(self, plan: dict[str, Any], engine: "ICudaEngine") -> None:
        self._plan = plan
        self._engine = engine  # it needs it
        _note_end(self, "context")
        if size := plan.get("context_bytes"):
            from cuda.bindings import runtime

            _at_end(self, runtime.hold(size))
        self._memory = 0
        self._profile: int | None = None
        self._shape: tuple[int, ...] = ()
        self._addresses: dict[str, int] = {}

    def set_device_memory(self, memory: int, size: int) -> None:
        from cuda.bindings import runtime

        assert len(runtime.CARD.device[memory]) >= size >= SCRATCH
        self._memory = memory

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._profile = profile_index
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert self._profile == 0
        self._shape = tuple(shape)
        fits = self._plan["min_batch"] <= shape[0] <= self._plan["max_batch"]
        return fits and self._shape[1:] == CLIP and name == "frames"

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Of each clip the mean byte, and its first bytes."""
        from cuda.bindings import runtime

        assert self._memory, "an execution context without memory"
        clip_bytes = 2 * 4 * 6 * 3
        count, addresses = self._shape[0], dict(self._addresses)

        def compute() -> None:
            clips = (ctypes.c_uint8 * (count * clip_bytes)).from_address(addresses["frames"])
            found = (ctypes.c_float * (count * DIMS)).from_address(addresses["embedding"])
            for number in range(count):
                clip = clips[number * clip_bytes : (number + 1) * clip_bytes]
                vector = [sum(clip) / clip_bytes, *map(float, clip[: DIMS - 1])]
                found[number * DIMS : (number + 1) * DIMS] = vector

        runtime.CARD.streams[stream_handle].put(compute)
        return not self._plan.get("refuses", False)


class ICudaEngine:
    def __init__(self, plan: dict[str, Any], runtime: "Runtime") -> None:
        self._plan = plan
        self._runtime = runtime
        self._contexts = 0  # that were made
        _note_end(self, "engine")
        self._names = plan.get("names", ["frames", "embedding"])

    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    @property
    def device_memory_size_v2(self) -> int:
        return int(self._plan.get("scratch", SCRATCH))

    def get_tensor_name(self, index: int) -> str:
        return str(self._names[index])

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType.UINT8 if name == self._plan.get("bytes", "frames") else DataType.FLOAT

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims((-1, *CLIP) if name == "frames" else (-1, DIMS))

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        batches = (self._plan["min_batch"], self._plan["max_batch"], self._plan["max_batch"])
        return [Dims((batch, *CLIP)) for batch in batches]

    def create_execution_context(
        self, strategy: ExecutionContextAllocationStrategy
    ) -> IExecutionContext | None:
        assert strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        self._contexts += 1
        if self._contexts > self._plan.get("most_contexts", self._contexts):
            if complaint := self._plan.get("complaint"):
                self._runtime._logger.log(ILogger.Severity.ERROR, complaint)
            return None
        return IExecutionContext(self._plan, self)


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger
        _note_end(self, "runtime")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        try:
            return ICudaEngine(json.loads(serialized_engine), self)
        except ValueError:
            self._logger.log(ILogger.Severity.ERROR, "the plan has another magic number")
            return None

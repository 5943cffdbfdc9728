"""A plan that TensorRT has loaded: what it takes, what memory it needs, and one run of it."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from encoder.errors import CardMemoryError, EngineError
from encoder.tensorrt.batches import bucket_sizes
from encoder.tensorrt.cuda import GIGABYTE, Cuda
from encoder.tensorrt.key import Machine
from encoder.tensorrt.log import Complaints, make_logger
from encoder.tensorrt.store import Engine

if TYPE_CHECKING:
    import tensorrt

CLIPS, VECTORS = "frames", "embedding"  # the names in the graph
FLOAT_BYTES = 4
_AGAIN = "build it again with watchword bundles build-engine --force"


@dataclass(frozen=True, slots=True)
class Run:
    """A context whose shape and addresses are set: of one batch size, for one slot.

    Each has a context of its own: a graph that was captured is right only as long as nobody changes
    the context it was captured from.
    """

    context: "tensorrt.IExecutionContext"

    def enqueue(self, stream: int) -> None:
        """Put it into a stream. Raises EngineError if TensorRT refuses."""
        if not self.context.execute_async_v3(stream):
            raise EngineError(f"TensorRT refuses to run the engine: {_AGAIN}")


@dataclass(frozen=True, slots=True)
class Plan:
    """An engine on the card, and the memory all its runs share: they run one after another."""

    held: list[Any]  # TensorRT's logger, runtime and engine: each needs the ones before it
    card: Cuda
    complaints: Complaints
    machine: Machine
    clip_shape: tuple[int, ...]  # [T, H, W, 3], a byte each
    dims: int
    max_batch: int
    scratch: int  # the address of `scratch_bytes` on the card
    scratch_bytes: int

    def prepare(self, size: int, clips: int, vectors: int, stream: int) -> Run:
        """A run of `size` clips between two addresses.

        Raises EngineError if it is refused, CardMemoryError if memory is short.
        """
        context = _context(self.held[-1], self.card, self.complaints, self.max_batch)
        if self.scratch_bytes:
            context.set_device_memory(self.scratch, self.scratch_bytes)
        accepted = (
            context.set_optimization_profile_async(0, stream)
            and context.set_input_shape(CLIPS, (size, *self.clip_shape))
            and context.set_tensor_address(CLIPS, clips)
            and context.set_tensor_address(VECTORS, vectors)
        )
        if not accepted:
            raise EngineError(f"the engine does not take {size} clips: {_AGAIN}")
        return Run(context)

    def release(self) -> None:
        """Let TensorRT go, the engine first. No run of it may be left."""
        while self.held:
            self.held.pop()


def open_plan(engine: Engine, cuda: Cuda, slots: int) -> Plan:
    """Load an engine's plan, to be run in so many slots, each with a context for every bucket.

    Raises EngineError if TensorRT refuses it or it is no video tower, CardMemoryError if it, its
    slots and their contexts do not fit into what the card has free.
    """
    import tensorrt

    _require(cuda, engine.record.plan_bytes, "the engine's weights", "take a smaller model")
    complaints = Complaints()
    logger = make_logger(complaints)
    runtime = tensorrt.Runtime(logger)
    loaded = runtime.deserialize_cuda_engine(engine.plan.read_bytes())
    if loaded is None:
        raise EngineError(f"TensorRT cannot load {engine.plan} ({complaints.told}): {_AGAIN}")
    _require_tower(loaded, engine)
    clip_shape = tuple(loaded.get_tensor_shape(CLIPS))[1:]
    dims = tuple(loaded.get_tensor_shape(VECTORS))[1]
    most = next(iter(loaded.get_tensor_profile_shape(CLIPS, 0)[2]))
    scratch_bytes = int(loaded.device_memory_size_v2)
    wanted = scratch_bytes + slots * most * (prod(clip_shape) + dims * FLOAT_BYTES)
    wanted += slots * len(bucket_sizes(most)) * _context_bytes(loaded, cuda, complaints, most)
    _require(cuda, wanted, f"an engine for {most} clips, beside its weights,", smaller(most))
    return Plan(
        held=[logger, runtime, loaded],
        card=cuda,
        complaints=complaints,
        machine=engine.record.parts.machine,
        clip_shape=clip_shape,
        dims=dims,
        max_batch=most,
        scratch=cuda.allocate(scratch_bytes) if scratch_bytes else 0,
        scratch_bytes=scratch_bytes,
    )


def smaller(batch: int) -> str:
    """What to do where a batch does not fit."""
    if batch == 1:
        return "take a smaller model: no batch is smaller than 1"
    return f"build one with --batch {batch // 2}"


def _context(
    loaded: "tensorrt.ICudaEngine", cuda: Cuda, complaints: Complaints, most: int
) -> "tensorrt.IExecutionContext":
    import tensorrt

    strategy = tensorrt.ExecutionContextAllocationStrategy.USER_MANAGED
    complaints.clear()
    context = loaded.create_execution_context(strategy)
    if context is not None:
        return context
    told = complaints.told
    if complaints and not complaints.of_memory:
        raise EngineError(f"TensorRT makes no execution context ({told}): {_AGAIN}")
    free, total = cuda.memory()
    wanted = complaints.wanted_bytes
    asked = f", {wanted / GIGABYTE:.2f} GB were asked for at once" if wanted else ""
    raise CardMemoryError(
        f"TensorRT makes no execution context for want of memory ({told}): the card has"
        f" {free / GIGABYTE:.2f} of {total / GIGABYTE:.2f} GB free{asked}: end what else uses it,"
        f" or {smaller(most)}"
    )


def _context_bytes(
    loaded: "tensorrt.ICudaEngine", cuda: Cuda, complaints: Complaints, most: int
) -> int:
    """What a context takes for itself, beside the scratch memory: TensorRT does not say it."""
    before, _ = cuda.memory()
    context = _context(loaded, cuda, complaints, most)
    after, _ = cuda.memory()
    del context
    return max(0, before - after)


def _require(cuda: Cuda, wanted: int, what: str, fix: str) -> None:
    free, total = cuda.memory()
    if wanted > free:
        raise CardMemoryError(
            f"the card has {free / GIGABYTE:.2f} of {total / GIGABYTE:.2f} GB free, {what} needs"
            f" {wanted / GIGABYTE:.2f} GB: end what else uses the card, or {fix}"
        )


def _require_tower(loaded: "tensorrt.ICudaEngine", engine: Engine) -> None:
    import tensorrt

    names = sorted(loaded.get_tensor_name(i) for i in range(loaded.num_io_tensors))
    if names != sorted((CLIPS, VECTORS)):
        raise EngineError(f"{engine.plan} has inputs and outputs {names}, a video tower not these")
    types = (loaded.get_tensor_dtype(CLIPS), loaded.get_tensor_dtype(VECTORS))
    if types != (tensorrt.DataType.UINT8, tensorrt.DataType.FLOAT):
        raise EngineError(
            f"{engine.plan} takes {types[0]} and gives {types[1]}, not bytes and 32-bit numbers"
        )

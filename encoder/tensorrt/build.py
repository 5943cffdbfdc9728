"""From a graph in ONNX to a plan: what the builder's process does.

The graph says in which precision each operator computes; a strongly typed network keeps to it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from encoder.errors import CardMemoryError, EngineError, ModelError
from encoder.tensorrt.cuda import GIGABYTE, Cuda
from encoder.tensorrt.key import BuildOptions, Machine
from encoder.tensorrt.log import Complaints, make_logger
from encoder.tensorrt.plan import CLIPS, smaller
from encoder.tensorrt.progress import Tell, make_monitor

if TYPE_CHECKING:
    import tensorrt

    Memory = Callable[[], tuple[int, int]]


class BuildOrder(msgspec.Struct, frozen=True, kw_only=True):
    """All that the builder's process has to know."""

    graph: str  # the ONNX file; weights of their own lie beside it
    plan: str  # where the plan shall lie
    timing: str  # the timing cache, read and written
    weight_bytes: int
    device: int
    machine: Machine
    options: BuildOptions


def build_plan(order: BuildOrder, tell: Tell) -> int:
    """Build, write the plan and the timing cache, and return the plan's size.

    Raises:
        ModelError: TensorRT cannot parse the graph, or it is no video tower.
        CardMemoryError: the card has too little memory free; says how much, and what will fit.
        EngineError: TensorRT fails otherwise, or the disk does.
    """
    import tensorrt

    memory = Cuda(order.device).memory
    _require_weights(order, memory)
    complaints = Complaints()
    logger = make_logger(complaints)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(_strongly_typed())
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse_from_file(order.graph):
        raise ModelError(_parse_failure(parser, order))
    config = builder.create_builder_config()
    _configure(config, builder.create_optimization_profile(), network, order)
    _use_timing(config, Path(order.timing), complaints)
    monitor = make_monitor(tell)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise _build_failure(complaints, order, memory)
    try:
        size = Path(order.plan).write_bytes(memoryview(plan))
        _keep_timing(config, Path(order.timing))
    except OSError as error:
        raise EngineError(f"the engine cannot be written ({error}): make room") from error
    return size


def _strongly_typed() -> int:
    """The flag of TensorRT 10; from 11 on it is always so, and one day the flag may be gone."""
    import tensorrt

    flag = getattr(tensorrt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _configure(
    config: "tensorrt.IBuilderConfig",
    profile: "tensorrt.IOptimizationProfile",
    network: "tensorrt.INetworkDefinition",
    order: BuildOrder,
) -> None:
    import tensorrt

    options = order.options
    inputs = {network.get_input(i).name: network.get_input(i) for i in range(network.num_inputs)}
    if set(inputs) != {CLIPS}:
        raise ModelError(f"{order.graph} has inputs {sorted(inputs)}, a video tower {CLIPS} alone")
    batch, *clip = tuple(inputs[CLIPS].shape)
    if batch != -1 or -1 in clip:
        raise ModelError(f"{order.graph} takes {(batch, *clip)}: the batch alone may be open")
    # A micro-batcher that is behind sends full batches: that is when speed counts
    most = (options.max_batch, *clip)
    profile.set_shape(CLIPS, (1, *clip), most, most)
    config.add_optimization_profile(profile)
    config.builder_optimization_level = options.level
    config.profiling_verbosity = tensorrt.ProfilingVerbosity.DETAILED
    if options.workspace_bytes:
        config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, options.workspace_bytes)


def _use_timing(config: "tensorrt.IBuilderConfig", path: Path, complaints: Complaints) -> None:
    """Begin with the times that were kept, or with none: they only save time."""
    try:
        stored = path.read_bytes()
    except OSError:
        stored = b""
    if stored:
        cache = config.create_timing_cache(stored)
        # None: it is damaged. False: it is of another driver, say
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return
        complaints.clear()  # or what is said of it would explain a failure that comes later
    if (empty := config.create_timing_cache(b"")) is not None:
        config.set_timing_cache(empty, ignore_mismatch=False)


def _keep_timing(config: "tensorrt.IBuilderConfig", path: Path) -> None:
    cache = config.get_timing_cache()
    if cache is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(memoryview(cache.serialize()))
    os.replace(partial, path)


def _parse_failure(parser: "tensorrt.OnnxParser", order: BuildOrder) -> str:
    told = "it does not say why"
    if parser.num_errors:
        error = parser.get_error(0)
        node = f"{error.node_operator()} {error.node_name()}".strip()
        told = " ".join(f"{node}: {error.desc()}".split())
    return (
        f"TensorRT {order.machine.tensorrt} cannot parse {order.graph} ({told}):"
        " convert the bundle again, or install a newer TensorRT"
    )


def _build_failure(complaints: Complaints, order: BuildOrder, memory: "Memory") -> EngineError:
    if not complaints.of_memory:
        return EngineError(
            f"TensorRT {order.machine.tensorrt} builds no engine of {order.graph}:"
            f" {complaints.told}"
        )
    free, total = memory()
    asked = f"{complaints.wanted_bytes / GIGABYTE:.2f} GB" if complaints.wanted_bytes else "more"
    most, limit = order.options.max_batch, order.options.workspace_bytes
    limited = f", {limit / GIGABYTE:.2f} GB were allowed (--workspace-gb)" if limit else ""
    return CardMemoryError(
        f"the memory of {order.machine.gpu} does not do for an engine of {most} clips: TensorRT"
        f" asked for {asked} at once, {free / GIGABYTE:.2f} of {total / GIGABYTE:.2f} GB are free"
        f"{limited}: end what else uses the card, or {smaller(most)}"
    )


def _require_weights(order: BuildOrder, memory: "Memory") -> None:
    free, total = memory()
    if order.weight_bytes > free:
        raise CardMemoryError(
            f"{order.machine.gpu} has {free / GIGABYTE:.2f} of {total / GIGABYTE:.2f} GB free, the"
            f" weights alone need {order.weight_bytes / GIGABYTE:.2f} GB: end what else uses the"
            " card, or take a smaller model"
        )

"""SG-DETR in ONNX Runtime, as the pipeline runs it, beside PyTorch, as it was trained."""

from collections.abc import Iterator
from importlib.util import find_spec

from deploy.bench.figure import Figure
from deploy.bench.machine import cores
from deploy.errors import BenchError
from encoder.bundle import Bundle
from grounding.bench import Workload, compare_runtimes
from grounding.sgdetr.config import SGDETRConfig

TIMES_EAGER = 1.3


def bench_runtimes(bundle: Bundle) -> Iterator[Figure]:
    """Milliseconds of a (window, query) pair in both, at batch 8 on the cores of this process.

    Raises BenchError where torch is missing, or the bundle's detector is not the live network.
    """
    if find_spec("torch") is None:
        raise BenchError("PyTorch is not installed: pip install 'watchword[train]' to compare")
    wanted = SGDETRConfig.live().video_dims
    if bundle.space.dims != wanted:
        raise BenchError(
            f"the detector of {bundle.name} reads {bundle.space.dims} dimensions, the network "
            f"it would be compared with {wanted}: name another bundle"
        )
    workload = Workload(threads=cores())
    found = compare_runtimes(bundle.path("detector"), workload=workload)
    what = f"SG-DETR, batch {found.batch}, {found.clips} clips"
    yield Figure(f"{what}: ONNX Runtime", found.onnx_ms, "ms/pair")
    yield Figure(f"{what}: PyTorch eager", found.eager_ms, "ms/pair")
    yield Figure("ONNX Runtime / PyTorch eager, speed", found.ratio, "x", "at least", TIMES_EAGER)

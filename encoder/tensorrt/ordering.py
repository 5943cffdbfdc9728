"""Having an engine built: in a process of its own, one at a time, whole or not at all."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from encoder import errors
from encoder.bundle import Bundle
from encoder.errors import BundleError, EncoderError, EngineError
from encoder.tensorrt.build import BuildOrder
from encoder.tensorrt.key import BuildOptions, EngineParts, Machine
from encoder.tensorrt.operators import require_operators
from encoder.tensorrt.progress import Built, Failure, Progress, read_line
from encoder.tensorrt.store import (
    PLAN,
    Engine,
    EngineRecord,
    build_lock,
    engines_folder,
    keep_engine,
    read_engine,
)

ROLE = "video_tensorrt"
_LAST_WORDS = 300  # letters of what a builder that died said on standard error
_WORKER = (sys.executable, "-m", "encoder.tensorrt.builder_process")


@dataclass(frozen=True, slots=True)
class Watching:
    """What is told while an engine is built."""

    progress: Callable[[Progress], None] = lambda _progress: None
    waiting: Callable[[], None] = lambda: None  # another process builds the same engine


def graph_files(bundle: Bundle) -> dict[str, str]:
    """The files of the graph for TensorRT, weights in their own file too, and their SHA-256.

    They are the manifest's, which were compared when the bundle was loaded. Raises BundleError if
    the bundle has no such graph.
    """
    try:
        name = bundle.path(ROLE).name
    except BundleError as error:
        raise BundleError(
            f"bundle {bundle.name} has no graph for TensorRT ({ROLE}.onnx): watchword bundles"
            " convert makes one of published weights"
        ) from error
    return {
        file: entry.sha256 for file, entry in bundle.manifest.files.items() if file.startswith(name)
    }


@dataclass(frozen=True, slots=True)
class EngineShop:
    """Has engines built for one card of this machine."""

    machine: Machine
    device: int = 0
    root: Path | None = None
    worker: tuple[str, ...] = _WORKER

    def build(
        self,
        bundle: Bundle,
        options: BuildOptions,
        *,
        force: bool = False,
        watching: Watching | None = None,
    ) -> tuple[Engine, bool]:
        """The engine, and whether it was built now; one that is there is kept, unless forced.

        Raises BundleError if the bundle has no graph for TensorRT, RuntimeMissingError if TensorRT
        is too old for it, and what `encoder.tensorrt.build.build_plan` raises. What was begun is
        gone then, and the builder too, also after Ctrl-C.
        """
        files, watching = graph_files(bundle), watching or Watching()
        require_operators(bundle.path(ROLE), self.machine.tensorrt)
        parts = EngineParts(files=files, machine=self.machine, options=options)
        root = engines_folder() if self.root is None else self.root
        before = time.time()
        with build_lock(parts.key, root, watching.waiting) as partial:
            there = _there(root / parts.key)
            if there and (not force or there.record.made > before):  # it was built while we waited
                return there, False
            began = time.monotonic()
            size = self._run(self._order(bundle, parts, partial), watching)
            record = EngineRecord(
                parts=parts,
                bundle=bundle.name,
                made=time.time(),
                seconds=round(time.monotonic() - began, 1),
                plan_bytes=size,
            )
            return keep_engine(partial, record, root), True

    def _order(self, bundle: Bundle, parts: EngineParts, partial: Path) -> BuildOrder:
        machine = parts.machine
        gpu = "-".join(machine.gpu.split())
        timing = f"{machine.tensorrt}-{gpu}-{machine.compute_capability}.timing".replace("/", "-")
        return BuildOrder(
            graph=str(bundle.path(ROLE).absolute()),
            plan=str((partial / PLAN).absolute()),
            timing=str(partial.parent.absolute() / timing),
            weight_bytes=sum(bundle.manifest.files[name].bytes for name in parts.files),
            device=self.device,
            machine=machine,
            options=parts.options,
        )

    def _run(self, order: BuildOrder, watching: Watching) -> int:
        command = [*self.worker, msgspec.json.encode(order).decode()]
        with tempfile.TemporaryFile() as said:
            worker = subprocess.Popen(  # noqa: S603 - our own module, and our own order
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # Ctrl-C is for us; we end it
            )
            try:
                return _listen(worker, said, watching)
            finally:
                worker.kill()
                worker.communicate()


def _listen(worker: subprocess.Popen[bytes], said: IO[bytes], watching: Watching) -> int:
    assert worker.stdout is not None
    for line in worker.stdout:
        match read_line(line):
            case Progress() as progress:
                watching.progress(progress)
            case Failure() as failure:
                raise _error(failure)
            case Built() as built:
                return built.plan_bytes
    code = worker.wait()
    said.seek(0)
    words = " ".join(said.read().decode(errors="replace").split())[-_LAST_WORDS:]
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
    raise EngineError(
        f"the builder {ended} and says {words or 'nothing'}: see whether the machine has enough"
        " memory, and build again"
    )


def _error(failure: Failure) -> EncoderError:
    kind = getattr(errors, failure.kind, EngineError)
    return (
        kind(failure.sentence) if issubclass(kind, EncoderError) else EngineError(failure.sentence)
    )


def _there(folder: Path) -> Engine | None:
    try:
        return read_engine(folder)
    except EngineError:
        return None

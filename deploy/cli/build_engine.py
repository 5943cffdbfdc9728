"""`watchword bundles build-engine`: a bundle's video model, made fast for the card that is here."""

from types import TracebackType
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from deploy.cli.output import plain_console
from encoder.bundle import DEFAULT_BUNDLE, load_bundle
from encoder.tensorrt.installed import find_machine
from encoder.tensorrt.key import BuildOptions
from encoder.tensorrt.ordering import EngineShop, Watching, graph_files
from encoder.tensorrt.progress import Progress
from encoder.tensorrt.store import Engine

GIGABYTE = 1e9
DEFAULTS = BuildOptions()


def build_engine(
    bundle: Annotated[
        str, typer.Argument(metavar="NAME|DIR", help="A bundle's name or folder.")
    ] = DEFAULT_BUNDLE,
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=1024, help="Clips in one run at most.")
    ] = DEFAULTS.max_batch,
    workspace_gb: Annotated[
        float | None,
        typer.Option("--workspace-gb", min=0.1, help="Memory that kernels may use beside weights."),
    ] = None,
    level: Annotated[
        int, typer.Option("--level", min=0, max=5, help="How long to search for fast kernels.")
    ] = DEFAULTS.level,
    card: Annotated[int, typer.Option("--card", min=0, help="The card's number, from 0.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Build it again where it was built already.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell the end as one JSON object.")
    ] = False,
) -> None:
    """Build the TensorRT engine of a bundle's video model for the card that is here: minutes."""
    loaded = load_bundle(bundle)
    graph_files(loaded)  # what a bundle lacks is said before what the machine lacks
    options = BuildOptions(
        max_batch=batch, workspace_bytes=int((workspace_gb or 0) * GIGABYTE), level=level
    )
    shop = EngineShop(find_machine(card), card)
    with BuildProgress(plain_console(stderr=True)) as watched:
        engine, built = shop.build(
            loaded, options, force=force, watching=Watching(watched.seen, watched.waits)
        )
    typer.echo(_as_json(engine, built) if as_json else _sentence(engine, built))


class BuildProgress:
    """A bar for each of TensorRT's phases that is open; where there is no terminal, their names."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._told: set[str] = set()

    def __enter__(self) -> "BuildProgress":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def waits(self) -> None:
        """Somebody else builds the same engine."""
        self._console.print("another process builds this engine: waiting for it")

    def seen(self, progress: Progress) -> None:
        """So much of a phase is done."""
        if not self._console.is_terminal:
            if progress.depth == 0 and progress.phase not in self._told:
                self._told.add(progress.phase)
                self._console.print(progress.phase, soft_wrap=True)
            return
        if progress.phase not in self._tasks:
            indented = "  " * progress.depth + progress.phase
            self._tasks[progress.phase] = self._bars.add_task(indented, total=progress.steps)
        self._bars.update(self._tasks[progress.phase], completed=progress.done)
        if progress.done >= progress.steps:
            self._bars.remove_task(self._tasks.pop(progress.phase))


def _sentence(engine: Engine, built: bool) -> str:
    record = engine.record
    machine = record.parts.machine
    what = f"{record.bundle}: an engine for up to {engine.max_batch} clips on {machine.gpu}"
    if built:
        size = record.plan_bytes / GIGABYTE
        return f"{what}, {size:.2f} GB, built in {record.seconds:.0f} s: {engine.folder}"
    return f"{what} is there already (--force builds it again): {engine.folder}"


def _as_json(engine: Engine, built: bool) -> str:
    told = {"folder": str(engine.folder), "built": built, **msgspec.to_builtins(engine.record)}
    return msgspec.json.encode(told).decode()

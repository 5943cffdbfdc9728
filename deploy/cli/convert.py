"""`watchword bundles convert`: official checkpoints to a bundle, once, on the user's machine."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.cli.output import plain_console
from deploy.cli.train import TRAIN_LIBRARIES
from deploy.convert.options import ConvertOptions, Precision, RecipeChoice
from deploy.convert.report import report_json, report_tables
from deploy.errors import UsageError


def convert(
    internvideo2: Annotated[
        Path,
        typer.Option(metavar="CKPT", help="InternVideo2: a Stage 2 or a distilled vision file."),
    ],
    sg_detr: Annotated[
        Path,
        typer.Option("--sg-detr", metavar="CKPT", help="SG-DETR: the authors' Lightning file."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the bundle's folder shall be.")],
    delta: Annotated[
        Path | None,
        typer.Option(metavar="CKPT", help="Of a distilled model: the file with vision_align."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="CKPT", help="The text tower, where --internvideo2 holds none."),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="tokenizer.json, BERT's vocab.txt or CLIP's bpe_simple_vocab_16e6.txt.gz; "
            "Stage 2 needs none.",
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="SG-DETR's data set, where its tensors fit several."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The bundle's name (default: the folder's).")
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=64, help="Frames a clip (default: as trained)."),
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Of the graph that TensorRT gets.")] = "bf16",
    recipe: Annotated[
        RecipeChoice,
        typer.Option(help="How pictures are prepared: as SG-DETR's or InternVideo2's authors did."),
    ] = "sg-detr",
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Name every tensor that was read.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report as one JSON object.")] = False,
) -> None:
    """Make a bundle of official InternVideo2 and SG-DETR checkpoints, and test it."""
    options = ConvertOptions(
        internvideo2=internvideo2,
        sg_detr=sg_detr,
        out=out,
        delta=delta,
        text=text,
        tokenizer=tokenizer,
        variant=variant,
        name=name,
        frames=frames,
        precision=precision,
        recipe=recipe,
    )
    run = _conversion()
    with _steps(run.STEPS) as say:
        report = run.convert(options, say)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report_json(report, names=verbose)).decode() + "\n")
        return
    console = plain_console()
    for table in report_tables(report, names=verbose):
        console.print(table)
    console.print(report.detector, soft_wrap=True)
    for limit in report.limits:
        console.print(f"limit: {limit}", soft_wrap=True)
    console.print(f"{report.name} ({report.space}) is in {report.bundle}", soft_wrap=True)


def _conversion() -> ModuleType:
    """The module that does it; raises UsageError where libraries of its own are missing."""
    try:
        return importlib.import_module("deploy.convert.run")
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in TRAIN_LIBRARIES:
            raise UsageError(
                f"converting needs {error.name}, which is not installed: "
                "pip install 'watchword[train]'"
            ) from error
        raise


@contextmanager
def _steps(count: int) -> Iterator[Callable[[str], None]]:
    """Tells steps on standard error: as a bar on a terminal, a line each elsewhere."""
    console = plain_console(stderr=True)
    if not console.is_terminal:
        yield lambda step: console.print(step, soft_wrap=True)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=count)
        done = -1

        def say(step: str) -> None:
            nonlocal done
            done += 1
            progress.update(task, description=step, completed=done)

        yield say

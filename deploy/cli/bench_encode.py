"""`watchword bench encode`: the production video tower, every way to run it side by side."""

from typing import Annotated

import msgspec
import typer

from deploy.bench.encode import EncodeOptions, bench_encode
from deploy.bench.encode_row import EncodeRow, encode_notes, encode_table
from deploy.bench.figure import Figure, figure_table
from deploy.bench.machine import describe_machine
from deploy.cli.output import plain_console

DEFAULTS = EncodeOptions()

ModelOption = Annotated[
    str, typer.Option("--model", metavar="NAME", help="stage2-1b, stage2-6b, clip-l14, clip-b14...")
]
FramesOption = Annotated[
    int | None, typer.Option("--frames", min=1, help="Frames of a clip; as published without it.")
]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="Clips in one run.")]
SecondsOption = Annotated[
    float, typer.Option("--seconds", min=0.1, help="For how long each contender runs.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, or cuda:1.")
]
ReducedOption = Annotated[
    bool, typer.Option("--reduced", help="A small tower, for a CPU: shows that it works.")
]
CamerasOption = Annotated[
    int, typer.Option("--cameras", min=0, help="Cameras whose clips wait; 0: none are measured.")
]
OnlyOption = Annotated[
    str, typer.Option("--only", metavar="NAME,...", help="Of the contenders, only these.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def encode(
    model: ModelOption = DEFAULTS.model,
    frames: FramesOption = None,
    batch: BatchOption = DEFAULTS.batch,
    seconds: SecondsOption = DEFAULTS.seconds,
    device: DeviceOption = DEFAULTS.device,
    reduced: ReducedOption = False,
    cameras: CamerasOption = DEFAULTS.cameras,
    only: OnlyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Run InternVideo2's video tower, of random weights, plain, in PyTorch and in every runtime."""
    plain_console(stderr=True).print(describe_machine())
    named = tuple(name.strip() for name in only.split(",") if name.strip())
    options = EncodeOptions(model, frames, batch, seconds, device, reduced, cameras, named)
    if as_json:
        for found in bench_encode(options):
            typer.echo(msgspec.json.encode(found.as_json()).decode())
        return
    all_found = list(bench_encode(options))
    rows = [found for found in all_found if isinstance(found, EncodeRow)]
    console = plain_console()
    console.print(encode_table(rows))
    console.print(encode_notes(rows), soft_wrap=True)
    console.print(figure_table([found for found in all_found if isinstance(found, Figure)]))

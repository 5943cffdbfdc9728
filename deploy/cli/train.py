"""`watchword train`: the default bundle, made again from the data folder, step by step."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from deploy.cli.output import plain_console
from deploy.errors import UsageError

TRAIN_LIBRARIES = frozenset({"torch", "onnx", "onnxscript", "safetensors", "scipy"})

DataOption = Annotated[
    Path,
    typer.Option(metavar="DIR", help="The folder of training data.", envvar="WATCHWORD_DATA"),
]
CacheOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Where steps leave what later steps read.")
]
OutOption = Annotated[Path, typer.Option(metavar="DIR", help="Where the bundle's folder shall be.")]
CACHE = Path(".cache/train")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    train = typer.Typer(no_args_is_help=True, help="Train the default bundle.")
    train.command()(towers)
    train.command()(lite)
    app.add_typer(train, name="train")


def towers(data: DataOption, cache: CacheOption = CACHE) -> None:
    """Train the frame head and the text head of the encoder."""
    written = training_module("encoder.training.lite").train_towers(data, cache, tell)
    tell(f"written: {written}")


def lite(data: DataOption, out: OutOption, cache: CacheOption = CACHE) -> None:
    """Make the default bundle: towers, folds, out-of-fold judgement, final fit, ONNX files.

    Hours on two cores; every finished step is kept in the cache and not repeated.
    """
    bundle = training_module("grounding.training.bundle")
    shop = training_module("grounding.training.lite").Workshop(data, cache)
    manifest = bundle.make_lite(shop, out, tell)
    tell(f"{manifest.name} {manifest.version} is in {out}")


def training_module(name: str) -> ModuleType:
    """Import a module of the training side.

    Raises UsageError where the libraries that only training needs are not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in TRAIN_LIBRARIES:
            raise UsageError(
                f"training needs {error.name}, which is not installed: "
                "pip install 'watchword[train]'"
            ) from error
        raise


def tell(line: str) -> None:
    """Report progress on standard error."""
    plain_console(stderr=True).print(line, soft_wrap=True)

"""`watchword evaluate`: the figures of the default bundle, measured again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.train import CACHE, CacheOption, DataOption, tell, training_module
from encoder.bundle import DEFAULT_BUNDLE, load_bundle

BundleOption = Annotated[
    str, typer.Option(metavar="NAME|DIR", help="The models: a bundle's name or folder.")
]
JsonOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures here.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    evaluate = typer.Typer(no_args_is_help=True, help="Measure the default bundle.")
    evaluate.command()(retrieval)
    evaluate.command()(folds)
    app.add_typer(evaluate, name="evaluate")


def retrieval(
    data: DataOption, bundle: BundleOption = DEFAULT_BUNDLE, cache: CacheOption = CACHE
) -> None:
    """Flickr8k text-to-image recall of a bundle as it ships, over the official test split."""
    check = training_module("encoder.training.retrieval_check")
    recall = check.bundle_recall(load_bundle(bundle), data, cache, tell)
    typer.echo(json.dumps({f"R@{rank}": round(value, 4) for rank, value in recall.items()}))


def folds(data: DataOption, cache: CacheOption = CACHE, output: JsonOption = None) -> None:
    """The out-of-fold report, from the folds that `watchword train lite` left in the cache."""
    shop = training_module("grounding.training.lite").Workshop(data, cache)
    material = training_module("grounding.training.lite").load_material(shop)
    judgement = training_module("grounding.training.judge").judge(shop, material, tell)
    typer.echo(judgement.report.table())
    if output is not None:
        figures = training_module("grounding.training.bundle").accuracy(judgement)
        output.write_text(json.dumps(figures, indent=2))

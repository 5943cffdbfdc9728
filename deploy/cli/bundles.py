"""`watchword bundles`: which there are, and whether they are what they say."""

from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from deploy.cli.build_engine import build_engine
from deploy.cli.convert import convert
from deploy.cli.output import plain_console
from encoder.bundle import DEFAULT_BUNDLE, ListedBundle, list_bundles, load_bundle
from encoder.manifest import MANIFEST

MEGABYTE = 1e6
# Of everything measured, what a reader wants first.
HEADLINES = {
    "retrieval R@1": "flickr8k_t2i.r1",
    "moment R1@0.5": "out_of_fold.localisation.r1_at_05.value",
    "presence AUC": "out_of_fold.presence.overall.value",
    "  on one camera": "out_of_fold.presence.without_splices.value",
}

NOT_CALIBRATED = "no: scores are the network's own; alert budgets are refused, give thresholds"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    bundles = typer.Typer(no_args_is_help=True, help="The models that are installed.")
    bundles.command("list")(list_installed)
    bundles.command()(verify)
    bundles.command()(convert)
    bundles.command("build-engine")(build_engine)
    app.add_typer(bundles, name="bundles")


def list_installed() -> None:
    """List bundles with their licences, what they were trained on and what they cannot do."""
    console = plain_console()
    found = list_bundles()
    if not found:
        typer.echo("no bundle is installed", err=True)
    for listed in found:
        console.print(_described(listed))


def verify(
    bundle: Annotated[
        str, typer.Argument(metavar="NAME|DIR", help="A bundle's name or folder.")
    ] = DEFAULT_BUNDLE,
) -> None:
    """Check every file of a bundle against its manifest."""
    loaded = load_bundle(bundle)
    files = len(loaded.manifest.files)
    typer.echo(f"{loaded.name} {loaded.manifest.version}: all {files} files are as in its manifest")


def _described(listed: ListedBundle) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column(listed.name, no_wrap=True)
    manifest = listed.manifest
    table.add_column("" if manifest is None else manifest.version, ratio=1)
    table.add_row("folder", str(listed.folder))
    if manifest is None:
        table.add_row("problem", listed.problem)
        return table
    size = sum(entry.bytes for entry in manifest.files.values())
    table.add_row("what it is", manifest.description)
    table.add_row("licence", manifest.license)
    table.add_row("size", f"{size / MEGABYTE:.1f} MB in {len(manifest.files)} files")
    table.add_row("space", manifest.space.id)
    for label, sources in (("made of", manifest.sources), ("trained on", manifest.trained_on)):
        table.add_row(label, "\n".join(f"{one.name} ({one.license})" for one in sources))
    table.add_row("limits", "\n".join(manifest.limits))
    if manifest.calibration.get("calibrated") is False:
        table.add_row("calibrated", NOT_CALIBRATED)
    for label, path in HEADLINES.items():
        figure = _figure(manifest.accuracy, path)
        if figure is not None:
            table.add_row(label, f"{figure:g}")
    table.add_row("all figures", f"accuracy in {listed.folder / MANIFEST}")
    return table


def _figure(accuracy: dict[str, Any], path: str) -> float | None:
    """A figure of nested sections, such as `a.b.c`; None where a bundle did not measure it."""
    found: Any = accuracy
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else None

"""The table of contents of the command line."""

from collections.abc import Sequence
from typing import Annotated

import typer

from deploy import __version__
from deploy.cli import (
    alerts,
    bench,
    blind,
    bundles,
    camera,
    deadletters,
    doctor,
    evaluate,
    query,
    serve,
    silence,
    subscription,
    train,
    watch,
)
from deploy.cli.errors import sentences

# Each module adds its own commands; only what works is listed here.
MODULES = (
    watch,
    serve,
    query,
    camera,
    alerts,
    subscription,
    silence,
    blind,
    deadletters,
    bundles,
    doctor,
    bench,
    train,
    evaluate,
)


def build_app() -> typer.Typer:
    """All commands of `watchword`."""
    app = typer.Typer(
        name="watchword",
        help="Standing text queries over video: one alert per event, with its start and end.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for module in MODULES:
        module.add_to(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, of this process if no arguments are given; ends with SystemExit."""
    with sentences():
        build_app()(arguments, prog_name="watchword")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"watchword {__version__}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    pass

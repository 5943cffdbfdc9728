"""`watchword doctor`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.errors import FAULT
from deploy.cli.output import plain_console
from deploy.doctor.check import Check
from deploy.doctor.examine import examine

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The configuration `serve` would get."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line for each check.")
    ] = False,
) -> None:
    """Say what works on this machine, what does not, and what to do about it."""
    checks = []
    for check in examine(config, os.environ):
        checks.append(check)
        if as_json:
            typer.echo(msgspec.json.encode(check).decode())
    if not as_json:
        console = plain_console()
        console.print(checks_table(checks))
        console.print(summary(checks))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(FAULT)


def checks_table(checks: Sequence[Check]) -> Table:
    """A row for each check; what to do stands below what was found."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", ratio=1, overflow="fold")
    for check in checks:
        found = Text(check.found)
        if check.fix:
            found.append(f"\n→ {check.fix}", style="bold")
        table.add_row(check.name, Text(check.status, style=_STYLES[check.status]), found)
    return table


def summary(checks: Sequence[Check]) -> str:
    """What the table comes to."""
    failed = sum(check.status == "fail" for check in checks)
    warnings = sum(check.status == "warn" for check in checks)
    told = [f"{failed} failed"] * bool(failed)
    told += [f"{warnings} warning{'s' * (warnings > 1)}"] * bool(warnings)
    end = "mend what failed first" if failed else "`watchword serve` can start"
    return f"{len(checks)} checks, {' and '.join(told) or 'all well'}: {end}."

"""`watchword serve`."""

import os
import threading
from pathlib import Path
from typing import Annotated

import typer

from deploy.logs import configure_logs
from deploy.parts import choose_parts
from deploy.threads import interrupts


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve_command)


def serve_command(
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings; without it, every default."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="PARTS",
            help="Some of streamer,encoder,grounding,api in this process, with commas between; "
            "all others run elsewhere, with the same kafka.bootstrap_servers.",
        ),
    ] = None,
) -> None:
    """Watch cameras for standing queries and tell subscribers, until SIGTERM or Ctrl-C."""
    # FastAPI, SQLAlchemy and pydantic: other commands need not wait for them
    from deploy.serve import serve
    from deploy.settings import load_settings

    settings = load_settings(config, os.environ)
    parts = choose_parts(only, settings.kafka.bootstrap_servers)
    configure_logs(settings.log.format, settings.log.level)
    stop = threading.Event()
    with interrupts(stop.set):
        serve(settings, stop, parts)

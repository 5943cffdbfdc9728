"""`watchword watch`."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console

from deploy.cli.output import Both, JsonLines, Lines, Output, TableAtEnd, plain_console
from deploy.cli.progress import ProgressBar
from deploy.clock import parse_offset, parse_utc
from deploy.config import WatchOptions
from deploy.errors import UsageError
from deploy.report import Told
from deploy.threads import interrupts
from deploy.watch import WatchRun
from deploy.watch_plan import WatchPlan, plan_watch
from encoder.bundle import DEFAULT_BUNDLE


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(watch)


def watch(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Files, globs of files, streams or devices."),
    ],
    query: Annotated[
        list[str], typer.Option("--query", "-q", metavar="TEXT", help="What to watch for.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, the summary last.")
    ] = False,
    follow_updates: Annotated[
        bool, typer.Option("--follow-updates", help="Tell every state of an alert as it comes.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JSON lines to this file as well.")
    ] = None,
    bundle: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="The models: a bundle's name or folder.")
    ] = DEFAULT_BUNDLE,
    alerts_per_day: Annotated[
        float | None,
        typer.Option(metavar="N", help="About so many alerts a day for each query (default 48)."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="P", help="Alert from this probability on, between 0 and 1."),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="T", help="Begin here in the file: [H:]M:S.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="T", help="End here in the file: [H:]M:S.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="UTC", help="When the file begins, as RFC 3339.")
    ] = None,
) -> None:
    """Watch files or streams for what the queries say, and tell each event once."""
    options = WatchOptions(
        sources=tuple(sources),
        queries=tuple(query),
        bundle=bundle,
        alerts_per_day=alerts_per_day,
        threshold=threshold,
        from_seconds=None if from_ is None else parse_offset(from_),
        to_seconds=None if to is None else parse_offset(to),
        start=None if start is None else parse_utc(start),
    )
    plan = plan_watch(options)
    errors = plain_console(stderr=True)
    for warning in plan.warnings:
        errors.print(f"warning: {warning}", soft_wrap=True)
    with ExitStack() as stack:
        outputs = [_standard_output(plan, as_json=as_json, follow_updates=follow_updates)]
        if output is not None:
            outputs.append(JsonLines(stack.enter_context(_opened(output, sources))))
        show(plan, Both(outputs), follow_updates=follow_updates)


def show(plan: WatchPlan, output: Output, *, follow_updates: bool = False) -> None:
    """Run a plan with a progress bar; Ctrl-C ends it with what was seen."""
    errors = plain_console(stderr=True)
    with ProgressBar(errors, plan) as progress:
        screen = _Screen(output, progress, errors, follow_updates)
        run = WatchRun(plan, screen)
        with interrupts(run.ask_to_end):
            summary = run.run()
    if len(run.faults) < len(plan.cameras):
        output.finish(summary)
    for camera_id, count in run.decode_errors.items():
        errors.print(f"warning: {count} packets of {camera_id} are damaged: what decodes was used")
    for fault in run.faults.values():
        raise fault


@dataclass(frozen=True, slots=True)
class _Screen:
    """Passes what a run tells to the output, the progress bar and standard error."""

    output: Output
    progress: ProgressBar
    errors: Console
    follow_updates: bool
    lost_cameras: set[str] = field(default_factory=set)

    def alert(self, told: Told) -> None:
        if self.follow_updates or told.alert.state == "closed":
            self.output.alert(told)

    def seen(self, camera_id: str, seconds: float) -> None:
        self.progress.seen(camera_id, seconds)

    def lost(self, camera_id: str, reason: str) -> None:
        if camera_id not in self.lost_cameras:  # one sentence a camera, however many clips
            self.lost_cameras.add(camera_id)
            self.errors.print(f"warning: clips of {camera_id} could not be encoded: {reason}")


def _standard_output(plan: WatchPlan, *, as_json: bool, follow_updates: bool) -> Output:
    if as_json:
        return JsonLines(sys.stdout)
    console = plain_console()
    if plan.ends and not follow_updates:
        return TableAtEnd(console, [query.text for query in plan.queries])
    return Lines(console)


def _opened(path: Path, sources: Sequence[str]) -> IO[str]:
    if path.exists() and any(path.samefile(source) for source in sources if Path(source).exists()):
        raise UsageError(f"--output {path} is the source itself: name another file")
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {path} cannot be written: {error.strerror}") from error

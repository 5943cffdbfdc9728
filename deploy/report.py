"""What a run tells: alerts and its summary, as JSON for programs and as a table for people."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from deploy.clock import clock_time, minutes_and_seconds
from deploy.saliency_bar import saliency_bar
from grounding.alert import Alert
from grounding.record import alert_record, as_json

BAR_WIDTH = 14
JSON_FIELDS = (
    "id",
    "state",
    "query",
    "query_id",
    "camera",
    "start",
    "end",
    "start_seconds",
    "end_seconds",
    "score",
    "saliency",
    "bundle",
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done in a run; `seconds` is how long it took by the wall clock."""

    clips: int
    windows: int
    queries: int
    alerts: int
    seconds: float
    clips_per_second: float
    blind_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """An alert, with the UTC seconds at which its camera's file begins (None: it is no file)."""

    alert: Alert
    source_start: float | None


def alert_json(told: Told) -> dict[str, Any]:
    """The alert as `watch --json` prints it (design, section 5).

    Of a file, `start_seconds`, `end_seconds` and the times in `saliency` are offsets from its
    beginning; of a live camera the first two are null and the times in `saliency` UTC seconds.
    """
    record = as_json(alert_record(told.alert, source_start=told.source_start))
    return {name: record[name] for name in JSON_FIELDS}


def summary_json(summary: Summary) -> dict[str, Any]:
    """The last line of `watch --json`."""
    figures = asdict(summary)
    for name in ("seconds", "clips_per_second", "blind_seconds"):
        figures[name] = round(figures[name], 3)
    return {"summary": figures}


def alert_table(told: Iterable[Told], queries: Sequence[str]) -> Table:
    """One row an alert in the order of time, then a row for each query that found nothing."""
    rows = sorted(told, key=lambda one: (one.alert.camera_id, one.alert.start))
    several = len({one.alert.camera_id for one in rows}) > 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    if several:
        table.add_column("camera", overflow="fold")
    table.add_column("query", ratio=1)
    for column in ("start", "end", "score"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("saliency", no_wrap=True)
    for one in rows:
        table.add_row(*([one.alert.camera_id] if several else []), *_cells(one))
    found = {one.alert.query for one in rows}
    for query in queries:
        if query not in found:
            blank = [""] if several else []
            table.add_row(
                *blank, Text(query, style="dim"), *("-",) * 3, Text("nothing found", "dim")
            )
    return table


def alert_line(told: Told) -> Text:
    """One state of an alert as a line, for cameras that never end."""
    query, start, end, score, bar = _cells(told)
    camera, state = told.alert.camera_id, told.alert.state
    return Text.assemble(start, " - ", end, f"  {camera}  {state:7}  {score}  ", bar, "  ", query)


def summary_line(summary: Summary) -> str:
    """The summary as a sentence."""
    found = f"{_count(summary.alerts, 'alert')} for {_count(summary.queries, 'query', 'queries')}"
    work = f"{_count(summary.clips, 'clip')} in {summary.seconds:.1f} s"
    return f"{found}; {work}, {summary.blind_seconds:.1f} s blind"


def _cells(told: Told) -> tuple[Text, str, str, str, Text]:
    bar = saliency_bar([probability for _, probability in told.alert.saliency], BAR_WIDTH)
    return (
        Text(told.alert.query),
        _place(told, told.alert.start),
        _place(told, told.alert.end),
        f"{told.alert.score:.3f}",
        Text(bar, style="cyan"),
    )


def _place(told: Told, at: float) -> str:
    if told.source_start is None:
        return clock_time(at)
    return minutes_and_seconds(max(0.0, at - told.source_start))


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"

"""`watchword blind`: when a server's cameras were not being watched, and why."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Group

from deploy.cli.entity_commands import ID_LETTERS, CameraIdOption, LimitOption
from deploy.cli.fields import given, joined, parse_since
from deploy.cli.query import QUERIES
from deploy.cli.server import Desk, asks_server
from deploy.cli.tables import lasting, listing, moment
from deploy.client.entity import find_ids
from deploy.clock import parse_utc
from grounding.record import rfc3339

BLIND = "/v1/blind"
SEARCHED = 10_000  # of what a server lists

QueryOption = Annotated[
    list[str] | None,
    typer.Option("--query", metavar="ID", help="Only where this query would have been watched."),
]
ReasonOption = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="R", help="Only for stream, lag, overload or restart."),
]
SinceOption = Annotated[
    str, typer.Option(metavar="TIME", help="Since when: 1h, 2d, or an RFC 3339 time.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("blind")(asks_server(list_blind))


def list_blind(
    desk: Desk,
    camera: CameraIdOption = None,
    query: QueryOption = None,
    reason: ReasonOption = None,
    since: SinceOption = "1d",
    limit: LimitOption = 20,
) -> None:
    """List when cameras were not being watched, newest first, and how long in all."""
    begin = parse_since(since)
    wanted = given(
        camera=camera or None,
        query=find_ids(desk.client, QUERIES, query, ID_LETTERS) if query else None,
        reason=reason or None,
        since=rfc3339(begin),
    )
    found = islice(desk.client.walk(BLIND, wanted), limit if desk.as_json else SEARCHED)
    desk.tell_all(found, lambda periods: _shown(periods, begin, limit))


def _shown(periods: Sequence[dict[str, Any]], begin: float, limit: int) -> object:
    if not periods:
        return f"No blind periods since {moment(rfc3339(begin))}: every camera was watched."
    table = listing(("camera", "start", "lasted", "reason", "queries"), wide=("camera", "queries"))
    for one in periods[:limit]:
        table.add_row(
            one["camera"],
            moment(one["start"]),
            lasting(one["seconds"]),
            one["reason"],
            "all" if one["queries"] == ["*"] else joined(one["queries"]),
        )
    return Group(table, _totals(periods, begin, limit))


def _totals(periods: Sequence[dict[str, Any]], begin: float, limit: int) -> str:
    """How long cameras were blind, by reason; what several queries missed at once counts once."""
    spans: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for one in periods:
        start, end = max(begin, parse_utc(one["start"])), parse_utc(one["end"])
        spans[one["reason"]][one["camera"]].append((start, end))
    totals = {reason: sum(map(_covered, cameras.values())) for reason, cameras in spans.items()}
    said = (f"{reason} {lasting(seconds)}" for reason, seconds in sorted(totals.items()))
    shown = f"; the newest {limit} of {len(periods)} periods" if len(periods) > limit else ""
    counted = f" of at least {len(periods)} periods" if len(periods) == SEARCHED else ""
    return f"since {moment(rfc3339(begin))}{counted}: {', '.join(said)}{shown}"


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """The seconds that spans cover, each counted once."""
    covered, until = 0.0, 0.0
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered

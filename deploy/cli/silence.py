"""`watchword silence`: for a while, alerts are kept and nobody is told."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from deploy.cli.entity_commands import (
    ID_LETTERS,
    AlertsOfQueryOption,
    CameraPatternOption,
    Commands,
    IdsArgument,
    add_group,
    remove_entities,
)
from deploy.cli.fields import given, joined, parse_duration
from deploy.cli.query import QUERIES
from deploy.cli.server import Desk
from deploy.cli.tables import listing, moment
from deploy.client.entity import find_ids, shorten
from deploy.clock import parse_utc

SILENCES = "/v1/silences"

ForOption = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long, from now on: 30m, 2h, 1d.")
]
CommentOption = Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    about = "Keep alerts quiet for a while."
    commands: Commands = {"add": add, "list": list_all, "remove": remove}
    add_group(app, "silence", about, commands)


def add(
    desk: Desk,
    for_: ForOption,
    query: AlertsOfQueryOption = None,
    camera: CameraPatternOption = None,
    comment: CommentOption = None,
) -> None:
    """Tell nobody of alerts that open in this time; they are kept and shown."""
    fields = given(
        duration_seconds=parse_duration(for_),
        queries=find_ids(desk.client, QUERIES, query, ID_LETTERS) if query else None,
        cameras=camera or None,
        comment=comment,
    )
    made = desk.client.post(SILENCES, fields)
    desk.tell(made, f"silence {made['id']} until {moment(made['ends_at'])}")


def list_all(desk: Desk) -> None:
    """List the silences, past ones too."""
    desk.tell_all(desk.client.walk(SILENCES), _table)


def remove(desk: Desk, silences: IdsArgument) -> None:
    """End silences at once."""
    remove_entities(desk, SILENCES, silences, lambda one: f"silence {one['id']} is over")


def _table(silences: Sequence[dict[str, Any]]) -> object:
    if not silences:
        return "no silences"
    table = listing(("id", "state", "until", "queries", "cameras", "comment"), ("comment",))
    ids = shorten([one["id"] for one in silences])
    now = time.time()
    for one in silences:
        over = parse_utc(one["ends_at"]) <= now
        coming = parse_utc(one["starts_at"]) > now
        table.add_row(
            ids[one["id"]],
            "over" if over else "coming" if coming else "now",
            moment(one["ends_at"]),
            joined(one["queries"]),
            joined(one["cameras"]),
            one["comment"],
        )
    return table

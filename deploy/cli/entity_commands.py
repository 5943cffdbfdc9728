"""What the commands of all that a server holds have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from deploy.cli.server import Desk, asks_server
from deploy.cli.tables import moment
from deploy.client.entity import entity_path, find_entity

Commands = Mapping[str, Callable[..., None]]

ID_LETTERS = 12  # of an id that the server gave

IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID", help="Ids, or enough of their beginnings.")
]
LabelOption = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="A label; KEY= takes one away.")
]
AlertsOfQueryOption = Annotated[
    list[str] | None,
    typer.Option("--query", metavar="ID", help="Only alerts of this query (default: all)."),
]
CameraPatternOption = Annotated[
    list[str] | None,
    typer.Option("--camera", metavar="PATTERN", help="Only of these cameras, as gate-*."),
]
CameraIdOption = Annotated[
    list[str] | None,
    typer.Option("--camera", metavar="ID", help="Only of this camera; may be given many times."),
]
LimitOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=100_000, help="The newest so many.")
]


def add_group(app: typer.Typer, name: str, about: str, commands: Commands) -> typer.Typer:
    """Add commands that ask a server, by their names, under one word; returns their group."""
    group = typer.Typer(no_args_is_help=True, help=about)
    for called, command in commands.items():
        group.command(called)(asks_server(command))
    app.add_typer(group, name=name)
    return group


def remove_entities(
    desk: Desk, path: str, typed: Sequence[str], said: Callable[[dict[str, Any]], str]
) -> None:
    """Remove things by their ids or the beginnings of these, and tell it."""
    # All are found before any is removed: a wrong id removes nothing
    found = [find_entity(desk.client, path, one, ID_LETTERS) for one in typed]
    for one in found:
        desk.client.delete(entity_path(path, one["id"]))
        desk.tell({"removed": one["id"]}, said(one))


def registered(entity: dict[str, Any]) -> Sequence[tuple[str, str]]:
    """The last rows of an entity's details: where it stands, and since when."""
    return (
        ("declared", "in the configuration file: change it there" * entity.get("declared", False)),
        ("created", moment(entity.get("created_at"))),
        ("updated", moment(entity.get("updated_at"))),
    )

"""`watchword subscription`: who is told of alerts, by webhook."""

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
    registered,
    remove_entities,
)
from deploy.cli.fields import given, listed, refuse_nothing
from deploy.cli.query import QUERIES
from deploy.cli.server import Desk
from deploy.cli.tables import counted, details, listing, state
from deploy.client.entity import entity_path, find_entity, find_ids, shorten
from deploy.errors import DeliveryTestError
from streamer.address import redact

SUBSCRIPTIONS = "/v1/subscriptions"

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The subscription's id, or enough of its beginning.")
]
UrlArgument = Annotated[
    str, typer.Argument(metavar="URL", help="Where alerts are posted to: https://...")
]
UrlOption = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Where alerts are posted to.")
]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", metavar="S", help="opened (default), updated, closed."),
]
SeverityOption = Annotated[
    str | None,
    typer.Option("--min-severity", metavar="S", help="Only from info, warning or critical on."),
]
PausedOption = Annotated[bool, typer.Option("--paused", help="Send nothing now.")]
PausedSwitch = Annotated[
    bool | None, typer.Option("--paused/--running", help="Send nothing, or send again.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    about = "Who is told of alerts, by webhook."
    commands: Commands = {
        "add": add,
        "list": list_all,
        "show": show,
        "edit": edit,
        "remove": remove,
        "test": send_test,
    }
    add_group(app, "subscription", about, commands)


def add(
    desk: Desk,
    url: UrlArgument,
    states: StateOption = None,
    query: AlertsOfQueryOption = None,
    camera: CameraPatternOption = None,
    min_severity: SeverityOption = None,
    paused: PausedOption = False,
) -> None:
    """Post alerts to a URL from now on; the secret that signs them is told once."""
    fields = _fields(desk, states, query, camera, min_severity)
    made = desk.client.post(SUBSCRIPTIONS, {"url": url, **fields, **given(paused=paused or None)})
    desk.tell(made, f"subscription {made['id']}: alerts go to {redact(made['url'])}")
    if not desk.as_json:
        desk.tell(made, f"secret {made['secret']}")
        desk.note("keep the secret: it proves that a message is ours, and is not told again")


def list_all(desk: Desk) -> None:
    """List the subscriptions."""
    desk.tell_all(desk.client.walk(SUBSCRIPTIONS), _table)


def show(desk: Desk, subscription: IdArgument) -> None:
    """Show all there is to know of a subscription but its secret."""
    found = find_entity(desk.client, SUBSCRIPTIONS, subscription, ID_LETTERS)
    desk.tell(found, _details(found))


def edit(
    desk: Desk,
    subscription: IdArgument,
    url: UrlOption = None,
    states: StateOption = None,
    query: AlertsOfQueryOption = None,
    camera: CameraPatternOption = None,
    min_severity: SeverityOption = None,
    paused: PausedSwitch = None,
) -> None:
    """Change what is named and nothing else; a list is given whole, '' means all."""
    changes = given(url=url, paused=paused) | _fields(desk, states, query, camera, min_severity)
    refuse_nothing(changes, "subscription")
    found = find_entity(desk.client, SUBSCRIPTIONS, subscription, ID_LETTERS)
    changed = desk.client.patch(entity_path(SUBSCRIPTIONS, found["id"]), changes)
    desk.tell(changed, f"subscription {changed['id']} is changed: {_state(changed)}")


def remove(desk: Desk, subscriptions: IdsArgument) -> None:
    """Forget subscriptions, and what was still to be sent to them."""
    remove_entities(
        desk, SUBSCRIPTIONS, subscriptions, lambda one: f"subscription {one['id']} is removed"
    )


def send_test(desk: Desk, subscription: IdArgument) -> None:
    """Send a test message now and tell what came back; 1 if it was not accepted."""
    found = find_entity(desk.client, SUBSCRIPTIONS, subscription, ID_LETTERS)
    answer = desk.client.post(f"{entity_path(SUBSCRIPTIONS, found['id'])}:test")
    where = redact(found["url"])
    desk.tell(answer, f"{where} {_answered(answer)}")
    if answer["outcome"] != "sent":
        why = answer["message"] or f"it {_answered(answer)}"
        raise DeliveryTestError(f"{where} did not accept the test message: {why}")


def _answered(answer: dict[str, Any]) -> str:
    if answer["status"] is None:
        return f"did not answer within {answer['seconds']:.2f} s"
    return f"answered HTTP {answer['status']} after {answer['seconds']:.2f} s"


def _fields(
    desk: Desk,
    states: Sequence[str] | None,
    query: Sequence[str] | None,
    camera: Sequence[str] | None,
    min_severity: str | None,
) -> dict[str, Any]:
    """The fields that were given; an empty list means all, which is written `*`."""
    queries, cameras = listed(query or ()), listed(camera or ())
    if queries is not None:
        queries = find_ids(desk.client, QUERIES, queries, ID_LETTERS) or ["*"]
    return given(
        states=listed(states or ()) or None,
        queries=queries,
        cameras=["*"] if cameras == [] else cameras,
        min_severity=min_severity,
    )


def _table(subscriptions: Sequence[dict[str, Any]]) -> object:
    table = listing(("id", "state", "tells", "from", "url"), wide=("url",))
    ids = shorten([one["id"] for one in subscriptions])
    for one in subscriptions:
        tells = ", ".join(one["states"])
        row = (ids[one["id"]], state(_state(one)), tells, one["min_severity"], redact(one["url"]))
        table.add_row(*row)
    return counted(subscriptions, "subscription", "subscriptions", table)


def _state(subscription: dict[str, Any]) -> str:
    if subscription.get("disabled_reason"):
        return "disabled"
    return "paused" if subscription["paused"] else "sending"


def _details(subscription: dict[str, Any]) -> object:
    return details(
        "subscription",
        subscription["id"],
        (
            ("url", redact(subscription["url"])),
            ("state", _state(subscription)),
            ("disabled", subscription.get("disabled_reason")),
            ("tells", ", ".join(subscription["states"])),
            ("queries", ", ".join(subscription["queries"])),
            ("cameras", ", ".join(subscription["cameras"])),
            ("from", subscription["min_severity"]),
            *registered(subscription),
        ),
    )

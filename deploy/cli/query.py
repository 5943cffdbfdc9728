"""`watchword query`: the standing queries of a server."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.cli.entity_commands import (
    ID_LETTERS,
    Commands,
    IdsArgument,
    LabelOption,
    add_group,
    registered,
    remove_entities,
)
from deploy.cli.fields import (
    given,
    label_text,
    listed,
    parse_duration,
    parse_labels,
    refuse_nothing,
    refuse_together,
)
from deploy.cli.schedule_text import parse_schedules, schedule_lines
from deploy.cli.server import Desk
from deploy.cli.tables import counted, details, listing, moment, state
from deploy.client.entity import entity_path, find_entity, shorten

QUERIES = "/v1/queries"

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The query's id, or enough of its beginning.")
]
TextArgument = Annotated[
    str, typer.Argument(metavar="TEXT", help="What to watch for, in plain words.")
]
TextOption = Annotated[
    str | None, typer.Option("--text", metavar="TEXT", help="What to watch for, in other words.")
]
NegativeOption = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="What looks alike and is not meant; '' for nothing."),
]
CameraOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Cameras, as gate-* (default: all)."),
]
BudgetOption = Annotated[
    float | None,
    typer.Option("--alerts-per-day", metavar="N", help="About so many a day and camera."),
]
ThresholdOption = Annotated[
    float | None, typer.Option(metavar="P", help="Alert from this probability on, 0 to 1.")
]
SeverityOption = Annotated[str | None, typer.Option(metavar="S", help="info, warning or critical.")]
ForOption = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help="Tell only what lasts so long: 10s.")
]
KeepFiringOption = Annotated[
    str | None,
    typer.Option("--keep-firing-for", metavar="TIME", help="An alert outlives its end so long."),
]
CooldownOption = Annotated[
    str | None,
    typer.Option("--cooldown", metavar="TIME", help="After an alert, tell no other so long: 10m."),
]
ScheduleOption = Annotated[
    list[str] | None,
    typer.Option(metavar="HOURS", help="As 'mon-fri 08:00-18:00 Europe/Berlin'; '' for always."),
]
PausedOption = Annotated[bool, typer.Option("--paused", help="Do not watch for it now.")]
DraftOption = Annotated[bool, typer.Option("--draft", help="Only keep it: it is not ready.")]
ArmedOption = Annotated[bool, typer.Option("--armed", help="Watch for it from now on.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    about = "What a server watches for."
    commands: Commands = {
        "add": add,
        "list": list_all,
        "show": show,
        "edit": edit,
        "remove": remove,
    }
    add_group(app, "query", about, commands)


def add(
    desk: Desk,
    text: TextArgument,
    negative: NegativeOption = None,
    camera: CameraOption = None,
    alerts_per_day: BudgetOption = None,
    threshold: ThresholdOption = None,
    severity: SeverityOption = None,
    for_: ForOption = None,
    keep_firing_for: KeepFiringOption = None,
    cooldown: CooldownOption = None,
    label: LabelOption = None,
    schedule: ScheduleOption = None,
    paused: PausedOption = False,
    draft: DraftOption = False,
) -> None:
    """Watch for something from now on."""
    refuse_together(paused=paused, draft=draft)
    fields = given(
        text=text,
        negatives=listed(negative or ()),
        cameras=listed(camera or ()) or None,
        sensitivity=_sensitivity(alerts_per_day, threshold),
        severity=severity,
        **_times(for_, keep_firing_for, cooldown),
        labels=parse_labels(label) if label else None,
        schedule=parse_schedules(hours) if (hours := listed(schedule or ())) else None,
        state="paused" if paused else "draft" if draft else None,
    )
    made = desk.client.post(QUERIES, fields)
    desk.tell(made, f"query {made['id']} is {made['state']}: {made['text']}")
    _warn(desk, made)


def list_all(desk: Desk) -> None:
    """List the queries."""
    desk.tell_all(desk.client.walk(QUERIES), _table)


def show(desk: Desk, query: IdArgument) -> None:
    """Show all there is to know of a query."""
    found = find_entity(desk.client, QUERIES, query, ID_LETTERS)
    desk.tell(found, _details(found))


def edit(
    desk: Desk,
    query: IdArgument,
    text: TextOption = None,
    negative: NegativeOption = None,
    camera: CameraOption = None,
    alerts_per_day: BudgetOption = None,
    threshold: ThresholdOption = None,
    severity: SeverityOption = None,
    for_: ForOption = None,
    keep_firing_for: KeepFiringOption = None,
    cooldown: CooldownOption = None,
    label: LabelOption = None,
    schedule: ScheduleOption = None,
    paused: PausedOption = False,
    draft: DraftOption = False,
    armed: ArmedOption = False,
) -> None:
    """Change what is named and nothing else; a list is given whole."""
    refuse_together(paused=paused, draft=draft, armed=armed)
    chosen = {"paused": paused, "draft": draft, "armed": armed}
    cameras = listed(camera or ())
    changes = given(
        text=text,
        negatives=listed(negative or ()),
        cameras=["*"] if cameras == [] else cameras,
        sensitivity=_sensitivity(alerts_per_day, threshold),
        severity=severity,
        **_times(for_, keep_firing_for, cooldown),
        labels=parse_labels(label, removing=True) if label else None,
        state=next((name for name, wanted in chosen.items() if wanted), None),
    )
    if schedule:
        hours = listed(schedule)
        changes["schedule"] = parse_schedules(hours) if hours else None
    refuse_nothing(changes, "query")
    found = find_entity(desk.client, QUERIES, query, ID_LETTERS)
    changed = desk.client.patch(entity_path(QUERIES, found["id"]), changes)
    desk.tell(changed, f"query {changed['id']} is {changed['state']}, version {changed['version']}")
    _warn(desk, changed)


def remove(desk: Desk, queries: IdsArgument) -> None:
    """Forget queries; their alerts stay."""
    remove_entities(
        desk, QUERIES, queries, lambda one: f"query {one['id']} is removed: {one['text']}"
    )


def _sensitivity(alerts_per_day: float | None, threshold: float | None) -> dict[str, Any] | None:
    refuse_together(alerts_per_day=alerts_per_day is not None, threshold=threshold is not None)
    if alerts_per_day is None and threshold is None:
        return None
    # null takes away the one that was set before: a query has one of the two
    return {"alerts_per_day": alerts_per_day, "threshold": threshold}


def _times(
    for_: str | None, keep_firing_for: str | None, cooldown: str | None
) -> dict[str, float | None]:
    typed = {
        "for_seconds": for_,
        "keep_firing_for_seconds": keep_firing_for,
        "cooldown_seconds": cooldown,
    }
    return {name: None if text is None else parse_duration(text) for name, text in typed.items()}


def _warn(desk: Desk, query: dict[str, Any]) -> None:
    for warning in query.get("warnings") or ():
        desk.note(f"warning: {warning}")


def _table(queries: Sequence[dict[str, Any]]) -> object:
    table = listing(("id", "state", "severity", "cameras", "alerts from", "text"), wide=("text",))
    ids = shorten([query["id"] for query in queries])
    for query in queries:
        table.add_row(
            ids[query["id"]],
            state(query["state"]),
            state(query["severity"]),
            _short(query["cameras"]),
            _sensitivity_text(query["sensitivity"]),
            query["text"],
        )
    return counted(queries, "query", "queries", table)


def _short(patterns: Sequence[str]) -> str:
    if list(patterns) == ["*"]:
        return "all"
    more = f" +{len(patterns) - 1}" if len(patterns) > 1 else ""
    return (patterns[0] if len(patterns[0]) <= 14 else patterns[0][:13] + "…") + more


def _sensitivity_text(sensitivity: dict[str, Any]) -> str:
    if sensitivity.get("threshold") is not None:
        return f"p >= {sensitivity['threshold']:g}"
    return f"{sensitivity['alerts_per_day']:g} a day"


def _details(query: dict[str, Any]) -> Table:
    def seconds(name: str) -> str:
        return f"{query[name]:g} s" if query[name] else ""

    schedule = query["schedule"]
    return details(
        "query",
        query["id"],
        (
            ("text", query["text"]),
            ("not meant", "\n".join(query["negatives"])),
            ("state", state(query["state"])),
            ("severity", state(query["severity"])),
            ("cameras", ", ".join(query["cameras"])),
            ("schedule", "always" if schedule is None else "\n".join(schedule_lines(schedule))),
            ("alerts from", _sensitivity_text(query["sensitivity"])),
            ("for", seconds("for_seconds")),
            ("keep firing for", seconds("keep_firing_for_seconds")),
            ("cooldown", seconds("cooldown_seconds")),
            ("labels", label_text(query["labels"])),
            ("version", f"{query['version']}, since {moment(query['effective_at'])}"),
            *registered(query),
            ("warnings", "\n".join(query["warnings"])),
        ),
    )

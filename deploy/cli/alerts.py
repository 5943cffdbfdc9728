"""`watchword alerts`: what a server's queries found, and what people think of it."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from deploy.cli.alert_clip import OutputOption, save_clip
from deploy.cli.entity_commands import ID_LETTERS as QUERY_LETTERS
from deploy.cli.entity_commands import CameraIdOption, Commands, LimitOption, add_group
from deploy.cli.fields import given, parse_since
from deploy.cli.query import QUERIES
from deploy.cli.server import Desk, print_json
from deploy.cli.tables import details, lasting, listing, moment, state
from deploy.client.entity import SHORTEST, entity_path, find_entity, find_ids, shorten
from deploy.client.event_stream import follow
from deploy.clock import parse_utc
from deploy.errors import ServerAnswerError
from deploy.saliency_bar import saliency_bar
from grounding.record import rfc3339

ALERTS = "/v1/alerts"
STREAM = "/v1/alerts/stream"
ID_LETTERS = 64
BAR_WIDTH = 12
WIDE_BAR = 48

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The alert's id, or enough of its beginning.")
]
QueryOption = Annotated[
    list[str] | None,
    typer.Option("--query", metavar="ID", help="Only of this query; may be given many times."),
]
StateOption = Annotated[
    list[str] | None, typer.Option("--state", metavar="S", help="opened, updated or closed.")
]
SinceOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="That began since: 1h, 2d, or an RFC 3339 time.")
]
VerdictArgument = Annotated[
    str, typer.Argument(metavar="right|wrong|unsure", help="What you think of it.")
]
NoteOption = Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    commands: Commands = {
        "list": list_newest,
        "show": show,
        "clip": clip,
        "follow": follow_alerts,
        "ack": acknowledge,
        "feedback": give_feedback,
    }
    add_group(app, "alerts", "What a server found.", commands)


def list_newest(
    desk: Desk,
    query: QueryOption = None,
    camera: CameraIdOption = None,
    states: StateOption = None,
    since: SinceOption = None,
    limit: LimitOption = 20,
) -> None:
    """List the newest alerts."""
    wanted = _wanted(desk, query, camera, states)
    if since is not None:
        wanted["since"] = rfc3339(parse_since(since))
    page = min(limit, 200)
    found = islice(desk.client.walk(ALERTS, {**wanted, "limit": page}), limit)
    desk.tell_all(found, _table)


def show(desk: Desk, alert: IdArgument) -> None:
    """Show an alert: when, how sure, its saliency curve and its history."""
    found = _find(desk, alert)
    whole = desk.client.get(entity_path(ALERTS, found["id"]))
    desk.tell(whole, _details(whole))


def clip(desk: Desk, alert: IdArgument, output: OutputOption = Path("clip.mp4")) -> None:
    """Save an alert's video, from a few seconds before it to a few after."""
    save_clip(desk, _clip_path(_find(desk, alert)), output)


def follow_alerts(
    desk: Desk, query: QueryOption = None, camera: CameraIdOption = None, states: StateOption = None
) -> None:
    """Tell alerts as they come, each state once, until Ctrl-C.

    A lost connection is taken up again where it broke off.
    """
    wanted = _wanted(desk, query, camera, states)
    desk.note(f"following {desk.client.server}: Ctrl-C ends")
    try:
        for event in follow(desk.client, STREAM, wanted, lost=lambda why: _lost(desk, why)):
            if event.kind == "alert":
                _tell_event(desk, event.text)
    except KeyboardInterrupt:  # the way to end it, and no fault
        return


def acknowledge(desk: Desk, alert: IdArgument) -> None:
    """Note that you have seen to an alert."""
    found = _find(desk, alert)
    seen = desk.client.post(f"{entity_path(ALERTS, found['id'])}/ack")
    who = f" by {seen['acknowledged_by']}" if seen["acknowledged_by"] else ""
    when = moment(seen["acknowledged_at"])
    desk.tell(seen, f"alert {_short(seen)} is acknowledged{who}, {when}: {seen['query']}")


def give_feedback(
    desk: Desk, alert: IdArgument, verdict: VerdictArgument, note: NoteOption = None
) -> None:
    """Say whether an alert was right, in place of what was said before."""
    found = _find(desk, alert)
    told = desk.client.post(
        f"{entity_path(ALERTS, found['id'])}/feedback", given(verdict=verdict, note=note)
    )
    desk.tell(told, f"alert {_short(told)} was {verdict}: {told['query']}")


def _find(desk: Desk, typed: str) -> dict[str, Any]:
    # An event's id, `<alert id>.<revision>`, names its alert too
    return find_entity(desk.client, ALERTS, typed.partition(".")[0], ID_LETTERS)


def _clip_path(alert: dict[str, Any]) -> str:
    return f"{entity_path(ALERTS, alert['id'])}/clip.mp4"


def _wanted(
    desk: Desk,
    query: Sequence[str] | None,
    camera: Sequence[str] | None,
    states: Sequence[str] | None,
) -> dict[str, Sequence[str]]:
    queries = find_ids(desk.client, QUERIES, query or (), QUERY_LETTERS)
    wanted = {"query": queries, "camera": list(camera or ()), "state": list(states or ())}
    return {name: values for name, values in wanted.items() if values}


def _lost(desk: Desk, why: str) -> None:
    desk.note(f"warning: {why}; trying again until it answers")


def _tell_event(desk: Desk, text: str) -> None:
    try:
        alert = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ServerAnswerError(f"{desk.client.server} sent an alert that is no JSON") from error
    if desk.as_json:
        print_json(alert)
    else:
        desk.tell(alert, _line(alert))


def _line(alert: dict[str, Any]) -> Text:
    """One state of an alert as a line."""
    return Text.assemble(
        moment(alert["start"]),
        f"  {_lasted(alert):>6}  ",
        state(alert["state"]),
        f"{'':{9 - len(alert['state'])}}{alert['camera']}  {alert['score']:.3f}  ",
        (_bar(alert, BAR_WIDTH), "cyan"),
        f"  {alert['query']}  ",
        (_short(alert), "dim"),
    )


def _table(alerts: Sequence[dict[str, Any]]) -> object:
    if not alerts:
        return "no alerts"
    # Camera and query share a column: of 80, the others leave too little for two
    table = listing(("id", "start", "lasted", "state", "score", "what"), wide=("what",))
    ids = shorten([alert["id"] for alert in alerts])
    for alert in alerts:
        table.add_row(
            ids[alert["id"]],
            moment(alert["start"]),
            _lasted(alert),
            _state_text(alert),
            f"{alert['score']:.3f}",
            f"{alert['camera']}: {alert['query']}",
        )
    return table


def _state_text(alert: dict[str, Any]) -> Text:
    """What a person must do about it: nothing if it is silenced or somebody has seen to it."""
    if alert["suppressed"]:
        return Text("silent", "dim")
    if alert["acknowledged_at"] is not None:
        return Text("acked", "green")
    return state("open" if alert["state"] != "closed" else "closed")


def _details(alert: dict[str, Any]) -> object:
    feedback = alert["feedback"] or {}
    verdict = " ".join(
        part for part in (feedback.get("verdict", ""), f"({feedback.get('note')})") if part
    )
    seen = moment(alert["acknowledged_at"])
    return details(
        "alert",
        alert["id"],
        (
            ("query", f"{alert['query']} ({alert['query_id']}, version {alert['query_version']})"),
            ("camera", alert["camera"]),
            ("state", state(alert["state"])),
            ("severity", state(alert["severity"])),
            ("start", moment(alert["start"])),
            ("end", f"{moment(alert['end'])}, after {_lasted(alert)}"),
            ("score", f"{alert['score']:.3f}"),
            ("saliency", Text(_bar(alert, WIDE_BAR), "cyan")),
            ("video", _video(alert)),
            ("suppressed", _because(alert)),
            ("acknowledged", f"{seen} {alert['acknowledged_by'] or ''}".strip()),
            ("feedback", verdict if feedback else ""),
            ("history", _history(alert.get("history") or ())),
            ("bundle", alert["bundle"]),
        ),
    )


def _video(alert: dict[str, Any]) -> str:
    command = f"watchword alerts clip {_short(alert)}"
    clip = alert.get("evidence")  # an older server tells none
    if not clip:
        return command
    lasts = lasting(parse_utc(clip["end"]) - parse_utc(clip["start"]))
    return f"{command}: {lasts}, the alert begins at {clip['offset_seconds']:.1f} s"


def _because(alert: dict[str, Any]) -> str:
    if not alert["suppressed"]:
        return ""
    return f"{alert['suppressed']} {alert['suppressed_by'] or ''}".strip()


def _history(events: Sequence[dict[str, Any]]) -> str:
    return "\n".join(
        f"{moment(event['at'])}  {event['state']:7}  {event['score']:.3f}" for event in events
    )


def _lasted(alert: dict[str, Any]) -> str:
    """How long it lasted so far."""
    return lasting(parse_utc(alert["end"]) - parse_utc(alert["start"]))


def _bar(alert: dict[str, Any], width: int) -> str:
    return saliency_bar([probability for _, probability in alert["saliency"]], width)


def _short(alert: dict[str, Any]) -> str:
    return str(alert["id"][: SHORTEST + 2])

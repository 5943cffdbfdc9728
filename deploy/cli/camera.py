"""`watchword camera`: the cameras of a server, and a look at one without a server."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from deploy.cli.camera_fields import (
    DecodeOption,
    EvidenceSwitch,
    MaskOption,
    PaceOption,
    RegionOption,
    StartOption,
    SubSourceOption,
    film_fields,
    mask_text,
    picture_fields,
)
from deploy.cli.camera_probe import DecoderOption, SourceArgument, TransportOption, probe
from deploy.cli.entity_commands import Commands, LabelOption, add_group, registered
from deploy.cli.fields import given, label_text, parse_labels, refuse_nothing
from deploy.cli.server import Desk
from deploy.cli.tables import counted, details, listing, moment, state
from deploy.client.entity import entity_path

CAMERAS = "/v1/cameras"

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The camera's id.")]
NewIdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Its name for ever: lower-case letters, digits, '-'.")
]
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of cameras.")]
SourceOption = Annotated[
    str | None, typer.Option("--source", metavar="SOURCE", help="Where its pictures come from.")
]
LoopOption = Annotated[bool, typer.Option("--loop", help="Play a file for ever.")]
LoopSwitch = Annotated[
    bool | None, typer.Option("--loop/--no-loop", help="Play a file for ever, or once.")
]
PausedOption = Annotated[bool, typer.Option("--paused", help="Do not open it now.")]
PausedSwitch = Annotated[
    bool | None, typer.Option("--paused/--running", help="Close it, or open it again.")
]
CredentialsOption = Annotated[
    str | None,
    typer.Option(
        "--credentials-environment",
        metavar="NAME",
        help="The server's variable WATCHWORD_CAMERA_... that holds user:password; '' for none.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    about = "Where a server's pictures come from."
    commands: Commands = {
        "add": add,
        "list": list_all,
        "show": show,
        "edit": edit,
        "remove": remove,
    }
    camera = add_group(app, "camera", about, commands)
    camera.command("probe")(probe)


def add(
    desk: Desk,
    camera: NewIdArgument,
    source: SourceArgument,
    loop: LoopOption = False,
    pace: PaceOption = None,
    start: StartOption = None,
    paused: PausedOption = False,
    transport: TransportOption = None,
    decoder: DecoderOption = None,
    label: LabelOption = None,
    credentials_environment: CredentialsOption = None,
    sub_source: SubSourceOption = None,
    decode: DecodeOption = None,
    mask: MaskOption = None,
    region: RegionOption = None,
    evidence: EvidenceSwitch = None,
) -> None:
    """Watch a camera from now on."""
    fields = given(
        id=camera,
        source=source,
        loop=loop or None,
        paused=paused or None,
        rtsp_transport=transport,
        decoder=decoder,
        labels=parse_labels(label) if label else None,
        credentials_environment=credentials_environment,
        **film_fields(pace, start),
        **picture_fields(sub_source, decode, mask, region, evidence),
    )
    made = desk.client.post(CAMERAS, fields)
    paused_now = " and paused" if made["paused"] else ""
    desk.tell(made, f"camera {made['id']} is registered{paused_now}: {made['source']}")


def list_all(desk: Desk) -> None:
    """List the cameras and how they fare."""
    desk.tell_all(desk.client.walk(CAMERAS), _table)


def show(desk: Desk, camera: IdArgument) -> None:
    """Show all there is to know of a camera; never its password."""
    found = desk.client.get(entity_path(CAMERAS, camera))
    desk.tell(found, _details(found))


def edit(
    desk: Desk,
    camera: IdArgument,
    source: SourceOption = None,
    loop: LoopSwitch = None,
    pace: PaceOption = None,
    start: StartOption = None,
    paused: PausedSwitch = None,
    transport: TransportOption = None,
    decoder: DecoderOption = None,
    label: LabelOption = None,
    credentials_environment: CredentialsOption = None,
    sub_source: SubSourceOption = None,
    decode: DecodeOption = None,
    mask: MaskOption = None,
    region: RegionOption = None,
    evidence: EvidenceSwitch = None,
) -> None:
    """Change what is named and nothing else."""
    changes = given(
        source=source,
        loop=loop,
        paused=paused,
        rtsp_transport=transport,
        decoder=decoder,
        labels=parse_labels(label, removing=True) if label else None,
    )
    if credentials_environment is not None:
        changes["credentials_environment"] = credentials_environment or None
    changes |= film_fields(pace, start)
    changes |= picture_fields(sub_source, decode, mask, region, evidence)
    refuse_nothing(changes, "camera")
    changed = desk.client.patch(entity_path(CAMERAS, camera), changes)
    paused_now = ", paused" if changed["paused"] else ""
    desk.tell(changed, f"camera {changed['id']} is changed{paused_now}: {changed['source']}")


def remove(desk: Desk, cameras: IdsArgument) -> None:
    """Forget cameras; their alerts stay."""
    for one in cameras:  # all are looked at before any is removed: a wrong id removes nothing
        desk.client.get(entity_path(CAMERAS, one))
    for one in cameras:
        desk.client.delete(entity_path(CAMERAS, one))
        desk.tell({"removed": one}, f"camera {one} is removed")


def _table(cameras: Sequence[dict[str, Any]]) -> object:
    table = listing(("id", "state", "since", "source"), wide=("source",))
    for camera in cameras:
        health = camera["health"] or {}
        table.add_row(
            camera["id"], state(_state(camera)), moment(health.get("since")), camera["source"]
        )
    return counted(cameras, "camera", "cameras", table)


def _state(camera: dict[str, Any]) -> str:
    if camera["paused"]:
        return "paused"
    return str((camera["health"] or {}).get("state", "-"))


def _details(camera: dict[str, Any]) -> object:
    health = camera["health"] or {}
    reason = ": ".join(part for part in (health.get("reason"), health.get("message")) if part)
    return details(
        "camera",
        camera["id"],
        (
            ("source", camera["source"]),
            ("state", state(_state(camera))),
            ("since", moment(health.get("since"))),
            ("why", reason),
            ("plays", "for ever" if camera["loop"] else ""),
            ("reads", "as fast as it goes" if camera["pace"] == "fastest" else ""),
            ("begins", moment(camera["start"]) if camera["start"] else ""),
            ("rtsp over", camera["rtsp_transport"]),
            ("decoded on", camera["decoder"] or ""),
            ("credentials", camera["credentials"]),
            ("looked at", camera["sub_source"] or ""),
            ("decodes", camera["decode"]),
            ("masks", mask_text(camera["masks"])),
            ("region", ",".join(f"{place:g}" for place in camera["region"] or ())),
            ("evidence", "" if camera["evidence"] else "none is kept"),
            ("labels", label_text(camera["labels"])),
            *registered(camera),
        ),
    )

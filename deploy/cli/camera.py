"""`watchword camera`: the cameras of a server, and a look at one without a server."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, cast, get_args

import typer

from deploy.cli.camera_fields import (
    DecodeOption,
    EvidenceSwitch,
    MaskOption,
    RegionOption,
    SubSourceOption,
    mask_text,
    picture_fields,
)
from deploy.cli.entity_commands import Commands, LabelOption, add_group, registered
from deploy.cli.fields import given, label_text, parse_labels, refuse_nothing
from deploy.cli.output import plain_console
from deploy.cli.server import Desk, JsonOption, print_json
from deploy.cli.tables import counted, details, listing, moment, state
from deploy.client.entity import entity_path
from deploy.clock import clock_time
from deploy.errors import UsageError
from streamer.address import redact
from streamer.clip import ClipFormat
from streamer.config import Decoder, ReadOptions, RtspTransport
from streamer.source_facts import SourceFacts

CAMERAS = "/v1/cameras"
ANY_FORMAT = ClipFormat(frames=1, width=64, height=64)  # no picture is kept

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The camera's id.")]
NewIdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Its name for ever: lower-case letters, digits, '-'.")
]
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of cameras.")]
SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A URL (rtsp, http, ...), device or file.")
]
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
TransportOption = Annotated[
    str | None, typer.Option(metavar="tcp|udp", help="How RTSP sends pictures (default tcp).")
]
DecoderOption = Annotated[
    str | None,
    typer.Option(
        metavar="auto|cpu|cuda", help="Decode on an NVIDIA card: where it can be, never, always."
    ),
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
    camera.command("probe")(probe_source)


def add(
    desk: Desk,
    camera: NewIdArgument,
    source: SourceArgument,
    loop: LoopOption = False,
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


def probe_source(
    source: SourceArgument,
    transport: TransportOption = None,
    decoder: DecoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a source here and now, without a server, and tell what it holds."""
    from streamer.source import probe  # PyAV: not needed to parse a command line

    options = _read_options(transport, decoder)
    began = time.monotonic()
    facts = probe(source, options)
    waited = round(time.monotonic() - began, 3)
    if as_json:
        print_json({"source": redact(source), "first_picture_seconds": waited, **asdict(facts)})
    else:
        plain_console().print(_facts(source, facts, waited))


def _read_options(transport: str | None, decoder: str | None) -> ReadOptions:
    if transport not in (None, *get_args(RtspTransport)):
        raise UsageError(f"--transport {transport!r} is neither tcp nor udp")
    if decoder not in (None, *get_args(Decoder)):
        raise UsageError(f"--decoder {decoder!r} is none of auto, cpu and cuda")
    return ReadOptions(
        "probe",
        ANY_FORMAT,
        rtsp_transport=cast(RtspTransport, transport or "tcp"),
        decoder=cast(Decoder, decoder or "auto"),
    )


def _facts(source: str, facts: SourceFacts, waited: float) -> object:
    clock = "arrival: pictures are dated when they come"
    if facts.start is not None:
        clock = f"file: begins at {clock_time(facts.start)}"
    turned = f", turned by {facts.rotation}°" if facts.rotation else ""
    return details(
        "source",
        redact(source),
        (
            ("size", f"{facts.width}x{facts.height}{turned}"),
            ("fps", "not told" if facts.fps is None else f"{facts.fps:.4g}"),
            ("codec", f"{facts.codec}, {facts.pixel_format}"),
            ("decoded on", _decoder(facts)),
            ("length", "" if facts.seconds is None else f"{facts.seconds:.1f} s"),
            ("clock", clock),
            ("first picture", f"after {waited:.2f} s"),
        ),
    )


def _decoder(facts: SourceFacts) -> str:
    if facts.decoder == "cuda":
        return "the NVIDIA card"
    return f"the processor: {facts.card_refusal}" if facts.card_refusal else "the processor"


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

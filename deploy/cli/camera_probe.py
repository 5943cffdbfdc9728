"""`watchword camera probe`: a look at a source, here and now, without a server."""

from dataclasses import asdict
from typing import Annotated, cast, get_args

import typer

from deploy.cli.output import plain_console
from deploy.cli.server import JsonOption, print_json
from deploy.cli.tables import details
from deploy.clock import clock_time
from deploy.errors import UsageError
from encoder.bundle import DEFAULT_BUNDLE, load_manifest
from streamer.address import redact
from streamer.config import Decoder, ReadOptions, RtspTransport
from streamer.source_facts import SourceFacts, SourceSurvey

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A URL (rtsp, http, ...), device or file.")
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
SecondsOption = Annotated[
    float,
    typer.Option(
        metavar="S", help="How long to look; cameras tell their clock within some seconds."
    ),
]

_DECODES = {
    "all": "every picture",
    "nonref": "pictures that others are made from",
    "keyframes": "key frames alone",
}


def probe(
    source: SourceArgument,
    transport: TransportOption = None,
    decoder: DecoderOption = None,
    seconds: SecondsOption = 6.0,
    as_json: JsonOption = False,
) -> None:
    """Open a source here and now, without a server, and tell what it holds."""
    from streamer.source import survey  # PyAV: not needed to parse a command line

    if not 0 < seconds <= 3600:
        raise UsageError(f"--seconds {seconds:g} is no such time: give more than 0, at most 3600")
    options = _read_options(transport, decoder)
    seen = survey(source, options, seconds)
    if as_json:
        told = asdict(seen)
        facts = told.pop("facts")
        told["looked_seconds"] = told.pop("seconds")
        print_json({"source": redact(source), **facts, **told})
    else:
        plain_console().print(_table(source, seen))


def _read_options(transport: str | None, decoder: str | None) -> ReadOptions:
    if transport not in (None, *get_args(RtspTransport)):
        raise UsageError(f"--transport {transport!r} is neither tcp nor udp")
    if decoder not in (None, *get_args(Decoder)):
        raise UsageError(f"--decoder {decoder!r} is none of auto, cpu and cuda")
    # What is decoded depends on what the bundle wants of a clip
    clip_format = load_manifest(DEFAULT_BUNDLE).space.space.clip_format
    return ReadOptions(
        "probe",
        clip_format,
        rtsp_transport=cast(RtspTransport, transport or "tcp"),
        decode="auto",
        decoder=cast(Decoder, decoder or "auto"),
    )


def _table(source: str, seen: SourceSurvey) -> object:
    facts = seen.facts
    turned = f", turned by {facts.rotation}°" if facts.rotation else ""
    apart = seen.keyframe_seconds
    return details(
        "source",
        redact(source),
        (
            ("codec", f"{facts.codec}, {facts.pixel_format}"),
            ("size", f"{facts.width}x{facts.height}{turned}"),
            ("fps", _fps(seen)),
            ("key frames", "not two were seen" if apart is None else f"every {apart:.4g} s"),
            ("clock", _clock(seen)),
            ("sound", "there is some; it is not used" if seen.has_sound else "none"),
            ("length", "" if facts.seconds is None else f"{facts.seconds:.1f} s"),
            ("decoded", f"{_DECODES[seen.decode]}, by {seen.decoder_name}"),
            ("decoded on", _decoder(facts)),
            ("first picture", f"after {seen.first_picture_seconds:.2f} s"),
            ("looked at", f"{seen.seconds:.1f} s of it"),
        ),
    )


def _decoder(facts: SourceFacts) -> str:
    if facts.decoder == "cuda":
        return "the NVIDIA card"
    return f"the processor: {facts.card_refusal}" if facts.card_refusal else "the processor"


def _fps(seen: SourceSurvey) -> str:
    declared = "not told" if seen.facts.fps is None else f"{seen.facts.fps:.4g} told"
    return declared if seen.measured_fps is None else f"{declared}, {seen.measured_fps:.4g} came"


def _clock(seen: SourceSurvey) -> str:
    if seen.facts.start is not None:
        return f"file: begins at {clock_time(seen.facts.start)}"
    if seen.clock_source == "rtp":
        return "rtp: pictures are dated by the camera"
    return "arrival: pictures are dated when they come"

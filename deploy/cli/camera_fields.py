"""What people type for a camera: its pictures, how a file is read, a second URL, evidence."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from deploy.clock import parse_utc
from deploy.errors import UsageError

SubSourceOption = Annotated[
    str | None,
    typer.Option(
        "--sub-source",
        metavar="URL",
        help="A second URL, with a smaller picture, to look at in place of the source; '' for "
        "none.",
    ),
]
DecodeOption = Annotated[
    str | None,
    typer.Option(
        "--decode",
        metavar="auto|all|nonref|keyframes",
        help="Which pictures are decoded (default auto: as few as are needed).",
    ),
]
MaskOption = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="X,Y X,Y X,Y...",
        help="A polygon to blacken, in fractions of the picture from its left and top; may be "
        "repeated; '' for none.",
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="LEFT,TOP,RIGHT,BOTTOM",
        help="What is looked at, in fractions of the picture; '' for all of it.",
    ),
]
EvidenceSwitch = Annotated[
    bool | None,
    typer.Option("--evidence/--no-evidence", help="Keep its video for a while (default), or not."),
]


PaceOption = Annotated[
    str | None,
    typer.Option(
        "--pace",
        metavar="own|fastest",
        help="How a file is read: as if it were live (default), or once, as fast as it goes.",
    ),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="UTC",
        help="When a file at the pace fastest begins (default: what the file says); '' for that.",
    ),
]


def film_fields(pace: str | None, start: str | None) -> dict[str, Any]:
    """The fields of a file that were given, as JSON takes them; a start that was emptied is null.

    Raises UsageError for what is no time.

    >>> film_fields("fastest", "2025-03-01T08:00:00")
    {'pace': 'fastest', 'start': '2025-03-01T08:00:00+00:00'}
    """
    fields: dict[str, Any] = {} if pace is None else {"pace": pace}
    if start is not None:
        at = datetime.fromtimestamp(parse_utc(start), UTC) if start.strip() else None
        fields["start"] = at and at.isoformat()
    return fields


def picture_fields(
    sub_source: str | None,
    decode: str | None,
    masks: Sequence[str] | None,
    region: str | None,
    evidence: bool | None,
) -> dict[str, Any]:
    """The fields that were given, as JSON takes them; what was emptied is null.

    Raises UsageError for what is no number.

    >>> picture_fields(None, "all", ["0,0 1,0 1,1"], "", None)
    {'decode': 'all', 'masks': [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]], 'region': None}
    """
    fields: dict[str, Any] = {}
    if sub_source is not None:
        fields["sub_source"] = sub_source or None
    if decode is not None:
        fields["decode"] = decode
    if masks:
        drawn = [[_numbers(corner, "--mask") for corner in mask.split()] for mask in masks]
        fields["masks"] = [polygon for polygon in drawn if polygon]
    if region is not None:
        fields["region"] = _numbers(region, "--region") if region.strip() else None
    if evidence is not None:
        fields["evidence"] = evidence
    return fields


def mask_text(masks: Sequence[Sequence[Sequence[float]]]) -> str:
    """Polygons as they may be typed."""
    return "; ".join(" ".join(f"{x:g},{y:g}" for x, y in polygon) for polygon in masks)


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(
            f"{option}: {text!r} is not made of numbers: write fractions of the picture with ',' "
            "between them, as in 0.1,0.25"
        ) from None

"""What a conversion did: for people as tables, for programs as one JSON object."""

from collections.abc import Iterator
from typing import Any

import msgspec
from rich import box
from rich.table import Table

from encoder.manifest import FileEntry

MEGABYTE = 1e6


class Tensors(msgspec.Struct, frozen=True, kw_only=True):
    """Names of a checkpoint's tensors by what became of them; interpolated ones are loaded too."""

    loaded: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    interpolated: tuple[str, ...] = ()


class InputEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read."""

    role: str
    file: str
    sha256: str


class ConvertReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a user may want to know of a conversion."""

    bundle: str
    name: str
    space: str
    variant: str
    detector: str
    inputs: tuple[InputEntry, ...]
    tensors: dict[str, Tensors]  # by network: "video", "text", "detector"
    files: dict[str, FileEntry]
    self_test: dict[str, float]
    export_errors: dict[str, float | None]  # of each graph against its network; None: not run here
    residual_peaks: tuple[float, ...]  # largest |x| after each block of the video tower
    limits: tuple[str, ...]


def report_json(report: ConvertReport, *, names: bool) -> dict[str, Any]:
    """As JSON fields; `names` lists tensors instead of counting them."""
    fields: dict[str, Any] = msgspec.to_builtins(report)
    if not names:
        fields["tensors"] = {
            network: {outcome: len(listed) for outcome, listed in tensors.items()}
            for network, tensors in fields["tensors"].items()
        }
    return fields


def report_tables(report: ConvertReport, *, names: bool) -> Iterator[Table]:
    """For the terminal, in the order of the work: read, loaded, written, tested."""
    read = _table("read", "file", "SHA-256")
    for entry in report.inputs:
        read.add_row(entry.role, entry.file, entry.sha256)
    yield read
    loaded = _table("network", "loaded", "dropped", "interpolated")
    for network, tensors in report.tensors.items():
        counts = (tensors.loaded, tensors.dropped, tensors.interpolated)
        loaded.add_row(network, *(str(len(listed)) for listed in counts))
    yield loaded
    if names:
        yield _names(report)
    written = _table("written", "MB", "precision", "SHA-256")
    for name, made in report.files.items():
        size = f"{made.bytes / MEGABYTE:.1f}"
        written.add_row(name, size, made.precision, made.sha256)
    yield written
    tested = _table("self-test, lowest cosine", "")
    for what, cosine in report.self_test.items():
        tested.add_row(what, f"{cosine:.7f}")
    yield tested
    yield _residuals(report.residual_peaks, names=names)


def _residuals(peaks: tuple[float, ...], *, names: bool) -> Table:
    """After every block, or after the one where it is largest."""
    table = _table("residual stream", "max |x|")
    largest = max(range(len(peaks)), key=peaks.__getitem__)
    for block, peak in enumerate(peaks):
        if names or block == largest:
            table.add_row(f"after block {block} of {len(peaks)}", f"{peak:.1f}")
    return table


def _names(report: ConvertReport) -> Table:
    table = _table("network", "outcome", "tensor")
    for network, tensors in report.tensors.items():
        for outcome in ("loaded", "dropped", "interpolated"):
            for name in getattr(tensors, outcome):
                table.add_row(network, outcome, name)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table

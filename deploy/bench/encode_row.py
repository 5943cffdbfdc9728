"""What `bench encode` found of one contender, and the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table


@dataclass(frozen=True, slots=True)
class EncodeRow:
    """One way to run the video tower; `problem` says why it did not, in a sentence."""

    name: str
    runs_on: str = ""
    clips_per_second: float | None = None
    tflops: float | None = None  # clips a second times the operations of a clip
    share: float | None = None  # of the measured rate of matrix products in bfloat16
    cosine_mean: float | None = None  # to the float32 tower
    cosine_min: float | None = None
    problem: str = ""

    def against(self, vectors: NDArray[np.float32], wanted: NDArray[np.float32]) -> "EncodeRow":
        """With how far its vectors [B, D] are from those of float32; NaN is a problem."""
        if not np.isfinite(vectors).all():
            clips = np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist()
            return replace(self, problem=f"numbers that are not finite for clips {clips}")
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(wanted, axis=1)
        cosines = (vectors * wanted).sum(axis=1) / lengths  # [B]
        return replace(self, cosine_mean=float(cosines.mean()), cosine_min=float(cosines.min()))

    def at(self, clips_per_second: float, clip_flops: int, product_tflops: float) -> "EncodeRow":
        """With its speed."""
        tflops = clips_per_second * clip_flops / 1e12
        return replace(
            self,
            clips_per_second=clips_per_second,
            tflops=tflops,
            share=tflops / product_tflops,
        )

    def as_json(self) -> dict[str, Any]:
        """The row as plain values."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {key: value for key, value in fields.items() if value not in (None, "")}


def encode_table(rows: Sequence[EncodeRow]) -> Table:
    """All contenders beside each other."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("contender", no_wrap=True)
    for title in ("clips/s", "TFLOP/s", "of bf16 matmul", "cosine mean", "cosine min"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            _number(row.clips_per_second, ".4g"),
            _number(row.tflops, ".3g"),
            _number(row.share, ".1%"),
            _number(row.cosine_mean, ".6f"),
            _number(row.cosine_min, ".6f"),
        )
    return table


def encode_notes(rows: Sequence[EncodeRow]) -> str:
    """What each runs on, or why it does not; a line each."""
    return "\n".join(f"{row.name}: {row.problem or row.runs_on}" for row in rows)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)

"""A measured figure, with what it should be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.table import Table

Wanted = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a bench: `target` None is a figure that only informs."""

    name: str
    value: float
    unit: str = ""
    wanted: Wanted = "at least"
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.wanted == "at least" else self.value <= self.target

    def as_json(self) -> dict[str, Any]:
        """The figure as plain values."""
        fields: dict[str, Any] = {"figure": self.name, "value": self.value, "unit": self.unit}
        if self.target is not None:
            fields |= {"wanted": self.wanted, "target": self.target, "met": self.met}
        return fields


def figure_table(figures: Sequence[Figure]) -> Table:
    """Figures beside their targets."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure", ratio=1)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("target", justify="right", no_wrap=True)
    table.add_column("")
    for figure in figures:
        target = "" if figure.target is None else f"{figure.wanted} {_amount(figure.target)}"
        verdict = {True: "met", False: "missed", None: ""}[figure.met]
        table.add_row(
            figure.name, f"{_amount(figure.value)} {figure.unit}".strip(), target, verdict
        )
    return table


def _amount(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

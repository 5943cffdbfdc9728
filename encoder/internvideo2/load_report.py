"""What became of a checkpoint's tensors (no torch import)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Names of a checkpoint's tensors by what became of them, in the checkpoint's order.

    `interpolated` tensors were loaded too, after their positions were stretched to other sizes:
    they stand in `loaded` as well.
    """

    loaded: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    interpolated: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The counts in words."""
        counts = f"{len(self.loaded)} tensors loaded, {len(self.dropped)} dropped"
        return f"{counts}, {len(self.interpolated)} interpolated"

"""How evidence is kept, frozen."""

from dataclasses import dataclass
from pathlib import Path

GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceConfig:
    """Where evidence is, how long it stays, and what a camera may use of this machine for it.

    `url` is a folder or an fsspec URL. Segments that are not complete lie in `open_folder`, on
    this machine; for a folder that is inside it, so that completing one is renaming it.
    """

    url: str
    open_folder: Path
    keep_seconds: float = 24 * 3600.0
    keep_bytes: int = 20 * GIGABYTE  # of all cameras together
    keep_free_bytes: int = 2 * GIGABYTE  # of the disk, for everybody else on it
    segment_seconds: float = 10.0
    # The segment of a camera that sends no key frame ends all the same
    longest_segment_seconds: float = 120.0
    snapshot_width: int = 640
    queue_bytes: int = 32 * 1024 * 1024  # of one camera, on their way to the storage
    retry_seconds: float = 5.0  # after the storage refused
    sweep_seconds: float = 20.0

    @property
    def most_open_seconds(self) -> float:
        """How long a segment is written at most."""
        return max(self.longest_segment_seconds, 2 * self.segment_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOptions:
    """What is cut out of evidence for an alert."""

    before_seconds: float = 5.0
    after_seconds: float = 5.0
    longest_seconds: float = 300.0
    thumbnail_width: int = 640
    preview_width: int = 320
    preview_frames: int = 10

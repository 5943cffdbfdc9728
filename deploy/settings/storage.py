"""What is kept of what cameras sent."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from deploy.settings.section import PositiveSeconds, Seconds, Section
from streamer.evidence.config import GIGABYTE, ClipOptions, EvidenceConfig

_LONGEST_SEGMENT = 600.0  # memory and patience: a clip waits for its last segment
_KEPT = EvidenceConfig(url="", open_folder=Path())
_CLIP = ClipOptions()


class EvidenceSettings(Section):
    """Segments, snapshots and the clips of alerts."""

    enabled: bool = True
    url: str = ""  # "": in the data folder, if all parts run in one process
    keep_hours: PositiveSeconds = _KEPT.keep_seconds / 3600
    keep_gigabytes: PositiveSeconds = _KEPT.keep_bytes / GIGABYTE
    keep_free_gigabytes: Seconds = _KEPT.keep_free_bytes / GIGABYTE
    segment_seconds: Annotated[PositiveSeconds, Field(le=_LONGEST_SEGMENT)] = _KEPT.segment_seconds
    before_seconds: Seconds = _CLIP.before_seconds
    after_seconds: Seconds = _CLIP.after_seconds
    longest_clip_seconds: PositiveSeconds = _CLIP.longest_seconds

    @model_validator(mode="after")
    def _room_for_the_event(self) -> Self:
        around = self.before_seconds + self.after_seconds
        if self.longest_clip_seconds <= around:
            raise ValueError(
                f"longest_clip_seconds ({self.longest_clip_seconds:g}) leaves nothing of the alert "
                f"beside before_seconds and after_seconds ({around:g})"
            )
        return self


class StorageSettings(Section):
    """What is kept outside of the database."""

    evidence: EvidenceSettings = EvidenceSettings()

"""The `detector` section of a bundle's manifest, typed."""

from collections.abc import Mapping
from typing import Any

import msgspec

from grounding.errors import SettingsError
from grounding.sgdetr.postprocess import PostprocessSettings
from grounding.window import WINDOW_CLIPS


class DetectorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the detector's weights were trained with, and when the gate asks it.

    A pair passes the gate when the local saliency (logit) of one of the newest `gate_clips` clips
    reaches `gate_threshold`: an event is often recognised best when the clip after its first is
    there too. `padding_counts` is for official networks: rows that fill a window up are clips to
    them, so that fractions refer to the padded length.
    """

    saliency_scale: float  # local saliency = scale * cosine(clip, sentence) + bias
    saliency_bias: float
    gate_threshold: float
    gate_clips: int = 3
    gate_dims: int = 256
    window_clips: int = WINDOW_CLIPS
    max_tokens: int = 40
    # Spans of a pair that are calibrated, best combined score first. On a busy road a window
    # holds dozens of events, and the newest, not the best, is the one to be told.
    max_moments: int = 40
    padding_counts: bool = False
    postprocess: PostprocessSettings = msgspec.field(default_factory=PostprocessSettings.live)

    def __post_init__(self) -> None:
        for name in ("gate_clips", "gate_dims", "window_clips", "max_tokens", "max_moments"):
            if getattr(self, name) < 1:
                raise SettingsError(f"detector setting {name} is {getattr(self, name)}: at least 1")


def read_detector_settings(section: Mapping[str, Any]) -> DetectorSettings:
    """A manifest's `detector` section; raises SettingsError naming what is wrong."""
    try:
        return msgspec.convert(section, DetectorSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"the bundle's detector settings cannot be used: {error}") from error

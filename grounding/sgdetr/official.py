"""The authors' SG-DETR checkpoints as detectors of a bundle: which one it is, loaded, exported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import torch

from encoder.checkpoint import Checkpoint, check_finite
from encoder.internvideo2.load_report import LoadReport
from encoder.space import EmbeddingSpace
from grounding.calibration import Calibration, logit
from grounding.errors import WeightsError
from grounding.settings import DetectorSettings
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.export import export_detector, export_gate, saliency_parameters
from grounding.sgdetr.export_check import check_export
from grounding.sgdetr.model import SGDETR
from grounding.sgdetr.postprocess import PostprocessSettings
from grounding.sgdetr.weights import (
    CELL_ANCHORS,
    TRAINING_ONLY,
    load_official,
    variant_of,
    without_prefix,
)

# A pair passes the gate where the network itself gives one of the newest clips at least this
# probability of being relevant. Chosen, not measured: a pair that is looked at in vain costs time,
# one that is not looked at is an alert missed.
GATE_PROBABILITY = 0.02
FILES = ("detector.onnx", "gate_clip.onnx", "gate_query.onnx")


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the data sets that the authors trained networks for."""

    title: str
    config: Callable[[], SGDETRConfig]
    postprocess: Callable[[], PostprocessSettings] | None = None  # None: it finds no moments


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "qvhighlights": Variant(
            "QVHighlights", SGDETRConfig.qvhighlights, PostprocessSettings.qvhighlights
        ),
        "charades": Variant("Charades-STA", SGDETRConfig.charades, PostprocessSettings.charades),
        "tacos": Variant("TACoS", SGDETRConfig.tacos, PostprocessSettings.tacos),
        "tvsum": Variant("TVSum", SGDETRConfig.tvsum),
        "youtube": Variant("YouTube Highlights", SGDETRConfig.youtube),
    }
)
LIMITS = (
    "Its scores were never calibrated on streams without the event: they rank moments, and say "
    "little about whether there is one. Alert budgets are refused; give thresholds, and expect to "
    "tune them.",
    "The network was trained on edited videos of which each holds what is asked for, not on "
    "cameras that show nothing of the kind for days.",
    "In the first {seconds:g} s of a session the gate's saliency differs a little from the "
    "detector's, because a clip's place in a full window is assumed.",
)


@dataclass(frozen=True, slots=True, eq=False)
class OfficialDetector:
    """A loaded network, in evaluation mode, and how it was recognised."""

    model: SGDETR
    variant: str  # a key of VARIANTS
    possible: tuple[str, ...]  # variants that the checkpoint's tensors fit
    chosen: bool  # by whoever converts; otherwise `variant` is the first of the possible ones
    sha256: str
    report: LoadReport
    path: Path

    @property
    def sentence(self) -> str:
        """What it is and why, for the user."""
        title = VARIANTS[self.variant].title
        others = [VARIANTS[name].title for name in self.possible if name != self.variant]
        if self.chosen or not others:
            reason = "as you said" if self.chosen else "by its tensors"
        else:
            reason = f"assumed: {' or '.join(others)} has the same tensors, say which it is"
        return f"SG-DETR of {title} ({reason}): {self.report.sentence}"

    def require_space(self, space: EmbeddingSpace) -> None:
        """Raise WeightsError unless the network can read vectors of this embedding space."""
        config, title = self.model.config, VARIANTS[self.variant].title
        for what, wanted, given in (
            ("video vectors", config.video_features, space.dims),
            ("text vectors", config.text_features, space.dims),
        ):
            if wanted != given:
                raise WeightsError(
                    f"{self.path} reads {what} of {wanted} dimensions, embedding space {space.id}"
                    f" has {given}: convert it with the encoder that it was trained on"
                )
        if space.clip_seconds != config.clip_seconds:
            raise WeightsError(
                f"{self.path} ({title}) was trained on clips of {config.clip_seconds:g} s,"
                f" embedding space {space.id} has clips of {space.clip_seconds:g} s: give the"
                f" space clips of {config.clip_seconds:g} s, or another checkpoint"
            )


@dataclass(frozen=True, slots=True)
class OfficialGrounding:
    """What a bundle gets of an official detector: its files, and its manifest's sections."""

    files: tuple[Path, ...]
    detector: dict[str, Any]
    calibration: dict[str, Any]
    limits: tuple[str, ...]
    largest_error: float  # of any logit of the graphs, against the network


def detector_from(checkpoint: Checkpoint, variant: str | None = None) -> OfficialDetector:
    """The network of an official checkpoint, recognised by its tensors and loaded strictly.

    One pooling layer means TACoS; learned anchors mean TVSum or YouTube Highlights. QVHighlights
    and Charades-STA have the same tensors: QVHighlights is assumed unless `variant` names the
    other. Tensors that only train may be missing.
    Raises WeightsError: not an SG-DETR; a variant that it cannot be; missing, unknown or misshapen
    tensors, each named. CheckpointError (encoder's) for values that are no finite numbers.
    """
    check_finite(checkpoint)
    state = without_prefix(checkpoint.state)
    try:
        config = variant_of(state, SGDETRConfig.qvhighlights())
        possible = _possible(config)
        name = _choose(checkpoint.path, possible, variant)
        preset = VARIANTS[name].config()
        model = SGDETR(variant_of(state, preset))
        load_official(model, state, inference=True)
    except WeightsError as error:
        raise WeightsError(_naming(checkpoint.path, str(error))) from error
    aside = (*TRAINING_ONLY, CELL_ANCHORS)
    report = LoadReport(
        loaded=tuple(key for key in state if not key.startswith(aside)),
        dropped=tuple(key for key in state if key.startswith(aside)),
    )
    chosen = variant is not None
    return OfficialDetector(
        model.eval(), name, possible, chosen, checkpoint.sha256, report, checkpoint.path
    )


def export_official(detector: OfficialDetector, folder: Path) -> OfficialGrounding:
    """Write FILES to `folder` and check each against the network.

    Raises WeightsError for a network that finds no moments, ModelError (encoder's) for a graph
    that says something else than the network.
    """
    variant = VARIANTS[detector.variant]
    if variant.postprocess is None:
        raise WeightsError(
            f"{detector.path} is an SG-DETR of TVSum or YouTube Highlights: it scores clips, but"
            " its heads for moments were never trained, so it can raise no alert with a start and"
            " an end. Convert the QVHighlights, Charades-STA or TACoS checkpoint"
        )
    settings = _settings(detector.model, variant.postprocess())
    files = tuple(folder / name for name in FILES)
    with torch.no_grad():
        export_detector(detector.model, files[0])
        export_gate(detector.model, files[1], files[2], settings.window_clips)
        error = check_export(detector.model, files, settings)
    first = settings.window_clips * detector.model.config.clip_seconds
    return OfficialGrounding(
        files=files,
        detector=msgspec.to_builtins(settings),
        calibration=msgspec.to_builtins(Calibration.uncalibrated()),
        limits=tuple(limit.format(seconds=first) for limit in LIMITS),
        largest_error=error,
    )


def _settings(model: SGDETR, postprocess: PostprocessSettings) -> DetectorSettings:
    scale, bias = saliency_parameters(model)
    return DetectorSettings(
        saliency_scale=scale,
        saliency_bias=bias,
        gate_threshold=float(logit(GATE_PROBABILITY)),
        gate_dims=model.config.width,
        max_tokens=model.config.max_text_tokens,
        postprocess=postprocess,
        padding_counts=True,
    )


def _possible(config: SGDETRConfig) -> tuple[str, ...]:
    """The variants that have the selector and pooling layers of `config`, the likeliest first."""
    presets = {name: variant.config() for name, variant in VARIANTS.items()}
    return tuple(
        name
        for name, preset in presets.items()
        if (preset.selector, preset.pooling_layers) == (config.selector, config.pooling_layers)
    )


def _choose(path: Path, possible: tuple[str, ...], variant: str | None) -> str:
    if not possible:
        raise WeightsError(f"{path} has a number of pooling layers that no released SG-DETR has")
    if variant is None:
        return possible[0]
    if variant not in VARIANTS:
        raise WeightsError(f"{variant!r} is no variant of SG-DETR: say {', '.join(VARIANTS)}")
    if variant not in possible:
        fits = " or ".join(VARIANTS[name].title for name in possible)
        raise WeightsError(
            f"{path} is no SG-DETR of {VARIANTS[variant].title}: its tensors are those of {fits}"
        )
    return variant


def _naming(path: Path, sentence: str) -> str:
    return sentence if str(path) in sentence else f"{path}: {sentence}"

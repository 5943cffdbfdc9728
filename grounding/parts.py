"""A bundle's side of grounding: its graphs opened, its settings read."""

from dataclasses import dataclass

from encoder.bundle import Bundle
from encoder.session import Session, open_session
from grounding.calibration import Calibration, read_calibration
from grounding.config import GroundingConfig
from grounding.detector import MomentDetector
from grounding.gate import Gate
from grounding.settings import read_detector_settings
from grounding.window_buffer import WindowBuffer

# Inputs and outputs of the graphs, by role.
GRAPHS: dict[str, tuple[set[str], set[str]]] = {
    "gate_clip": ({"video"}, {"clip"}),
    "gate_query": ({"text", "text_mask"}, {"sentence"}),
    "detector": (
        {"video", "video_mask", "text", "text_mask"},
        {
            "local_saliency",
            "global_saliency",
            "span",
            "label",
            "quality",
            "atss_label",
            "atss_box",
            "atss_centerness",
        },
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class GroundingParts:
    """What turns embeddings into scored spans; `name` is the bundle's."""

    buffer: WindowBuffer
    gate: Gate
    detector: MomentDetector
    calibration: Calibration
    name: str = ""


def load_parts(bundle: Bundle, config: GroundingConfig) -> GroundingParts:
    """Open the bundle's detector and gate.

    Raises SettingsError if the manifest's `detector` or `calibration` cannot be used, and what
    `encoder.session.open_session` raises for its graphs.
    """
    settings = read_detector_settings(bundle.manifest.detector)
    calibration = read_calibration(bundle.manifest.calibration)
    graphs = {role: _open(bundle, role, config) for role in GRAPHS}
    return GroundingParts(
        buffer=WindowBuffer(bundle.space, settings.gate_dims, settings.window_clips),
        gate=Gate(graphs["gate_clip"], graphs["gate_query"], settings),
        detector=MomentDetector(graphs["detector"], settings, config.detector_batch),
        calibration=calibration,
        name=bundle.name,
    )


def _open(bundle: Bundle, role: str, config: GroundingConfig) -> Session:
    session = open_session(bundle.path(role), config.session)
    session.require(*GRAPHS[role])
    return session

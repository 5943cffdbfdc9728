"""Small worlds for tests: embeddings of a made-up space, and graphs played by NumPy functions.

In the made-up space axis 0 is "the event": a clip's vector is cos on axis 0 and the rest on an
axis of its own, so the fake detector can read off where the event is.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from encoder.embedding import ClipEmbedding, TextFeatures
from encoder.space import EmbeddingSpace
from grounding.alert import Alert
from grounding.calibration import Calibration
from grounding.config import AlertSettings, GroundingConfig
from grounding.coverage import Coverage
from grounding.detector import MomentDetector
from grounding.gate import Gate
from grounding.grounder import Grounder
from grounding.parts import GroundingParts
from grounding.query import StandingQuery
from grounding.settings import DetectorSettings
from grounding.sgdetr.anchors import level_lengths
from grounding.tracker import AlertTracker
from grounding.window_buffer import WindowBuffer

DIMS, GATE_DIMS = 16, 4
SESSION = 1_700_000_000_000  # UTC milliseconds
T0 = SESSION / 1000
SPACE = EmbeddingSpace(
    model="fake",
    dims=DIMS,
    clip_seconds=2.0,
    frames_per_clip=4,
    width=32,
    height=32,
    kernel="area",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
SETTINGS = DetectorSettings(
    saliency_scale=10.0, saliency_bias=-5.0, gate_threshold=0.0, gate_dims=GATE_DIMS
)


def vector(cosines: Mapping[int, float]) -> NDArray[np.float32]:
    """A unit vector with the given shares on the axes of the queries."""
    made = np.zeros(DIMS, np.float32)
    for axis, cosine in cosines.items():
        made[axis] = cosine
    made[-1] = np.sqrt(max(0.0, 1 - float(made @ made)))
    return made


def embedding(
    index: int,
    cosines: Mapping[int, float] | None = None,
    camera_id: str = "yard",
    session: int = SESSION,
    seen: float = 2.0,
    clock_source: str = "file",
) -> ClipEmbedding:
    start = session / 1000 + 2.0 * index
    return ClipEmbedding(
        camera_id=camera_id,
        session=session,
        index=index,
        start=start,
        end=start + 2.0,
        seen_until=start + seen,
        space_id=SPACE.id,
        vector=vector(cosines or {}),
        clock_source=clock_source,  # type: ignore[arg-type]
    )


def text(axis: int, tokens: int = 3) -> TextFeatures:
    pooled = np.zeros(DIMS, np.float32)
    pooled[axis] = 1.0
    return TextFeatures(f"axis {axis}", SPACE.id, pooled, np.tile(pooled, (tokens, 1)))


def query(query_id: str = "q0", axis: int = 0, threshold: float = 0.5, **fields: object):
    return StandingQuery(query_id, f"axis {axis}", text(axis), threshold, **fields)


class ClipGraph:
    """gate_clip.onnx: the first axes of the space are the gate's."""

    def run(self, inputs):
        return {"clip": inputs["video"][:, :GATE_DIMS].copy()}


class QueryGraph:
    """gate_query.onnx: the mean of the tokens that count."""

    def run(self, inputs):
        mask = inputs["text_mask"][..., None]
        mean = (inputs["text"] * mask).sum(1) / mask.sum(1)
        return {"sentence": mean[:, :GATE_DIMS]}


class DetectorGraph:
    """detector.onnx: each run of clips whose cosine to the text is high is one span.

    As in the real graph, spans are fractions of the padded length.
    """

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, inputs):
        video, mask, words = inputs["video"], inputs["video_mask"], inputs["text"]
        self.shapes.append(video.shape)
        pairs, clips, _ = video.shape
        positions = sum(level_lengths(clips))
        sentence = (words * inputs["text_mask"][..., None]).sum(1) / inputs["text_mask"].sum(
            1, keepdims=True
        )
        cosine = np.einsum("bld,bd->bl", video, sentence) * mask  # [B, L]
        logits = (10.0 * cosine - 5.0).astype(np.float32)
        made = {
            "local_saliency": logits,
            "global_saliency": logits,
            "span": np.full((pairs, 25, 2), 0.5, np.float32),
            "label": np.full((pairs, 25), -9.0, np.float32),
            "quality": np.full((pairs, 25), -9.0, np.float32),
            "atss_label": np.full((pairs, positions), -20.0, np.float32),
            "atss_box": np.zeros((pairs, positions, 2), np.float32),
            "atss_centerness": np.zeros((pairs, positions), np.float32),
        }
        for pair in range(pairs):
            for number, (first, last) in enumerate(runs(cosine[pair] > 0.5)[:25]):
                made["span"][pair, number] = (first + last) / 2 / clips, (last - first) / clips
                made["label"][pair, number] = made["quality"][pair, number] = 3.0
        return made


def runs(flags: Sequence[bool] | NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, last) of each run of true flags.

    >>> runs([False, True, True, False, True])
    [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, int), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def calibration(**fields: object) -> Calibration:
    """Probability = a steep function of the greatest global saliency inside the span."""
    values: dict[str, object] = {
        "mean": (0.0,) * 7,
        "scale": (1.0,) * 7,
        "weights": (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
        "bias": 0.0,
        "training_prior": 0.01,
    }
    return Calibration(**(values | fields))  # type: ignore[arg-type]


def parts(settings: DetectorSettings = SETTINGS, graph: DetectorGraph | None = None):
    """A bundle's side of grounding, made of the graphs above."""
    return GroundingParts(
        buffer=WindowBuffer(SPACE, GATE_DIMS),
        gate=Gate(ClipGraph(), QueryGraph(), settings),
        detector=MomentDetector(graph or DetectorGraph(), settings, batch=8),
        calibration=calibration(),
        name="fake-bundle",
    )


def grounder(
    queries: Sequence[StandingQuery] = (),
    alerts: AlertSettings | None = None,
    window_batch: int = 8,
    audit_every: int = 0,
    settings: DetectorSettings = SETTINGS,
    coverage: Coverage | None = None,
) -> Grounder:
    config = GroundingConfig(
        alerts=alerts or AlertSettings(), window_batch=window_batch, audit_every=audit_every
    )
    tracker = AlertTracker(config.alerts, "fake-bundle")
    made = Grounder(parts(settings), tracker, config, coverage)
    made.watch(queries)
    return made


def scene(flags: str, axis: int = 0, **fields: object) -> list[ClipEmbedding]:
    """Embeddings drawn in ASCII: `#` the event, `.` nothing, ` ` a missing clip.

    >>> [one.index for one in scene(".# #")]
    [0, 1, 3]
    """
    return [
        embedding(index, {axis: 0.9} if flag == "#" else {}, **fields)  # type: ignore[arg-type]
        for index, flag in enumerate(flags)
        if flag != " "
    ]


def told(alerts: Sequence[Alert]) -> list[tuple[str, str, float, float]]:
    """(query, state, start, end) of events, in seconds from the session's start."""
    return [(a.query_id, a.state, round(a.start - T0, 3), round(a.end - T0, 3)) for a in alerts]

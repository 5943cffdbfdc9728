"""Out-of-fold evaluation: the cases, and what a detector that never saw them says about each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray

from encoder.embedding import TextFeatures
from grounding.average_precision import cross_iou
from grounding.calibration import MOMENT_FEATURES, moment_features
from grounding.detector import Grounding, MomentDetector
from grounding.gate import Session
from grounding.query import StandingQuery
from grounding.settings import DetectorSettings
from grounding.sgdetr.model import SGDETR
from grounding.training.footage import fold_of
from grounding.training.samples import CLIP_SECONDS, Sample
from grounding.training.streams import Category
from grounding.window import Window

Floats = NDArray[np.float64]

OPEN_VOCABULARY = "open"  # the concept of queries that name none
RIGHT_IOU = 0.5
SHORT_SECONDS = 2 * CLIP_SECONDS  # shorter events cannot be hit by IoU on a two-second grid
SHORT_SLACK_SECONDS = 1.0
RANKED_MOMENTS = 10  # kept at least, for average precision
INPUTS = ("video", "video_mask", "text", "text_mask")


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationCase:
    """One query on one stream, and what is needed to count its answer where it belongs."""

    sample: Sample
    pooled: NDArray[np.float32]  # [D] the query's unit vector in the space of the clips
    concept: str  # what the query asks for, shown or not
    kind: Category
    spliced: bool  # the stream cuts between cameras
    groups: tuple[str, ...]  # source groups of all it shows, the one it is built around first
    onset_age_clips: float | None  # from the last seen onset to the right edge

    @property
    def present(self) -> bool:
        """Whether the stream shows what is asked for."""
        return self.kind == "present"

    @property
    def group(self) -> str:
        """The source group that intervals are drawn over."""
        return self.groups[0]

    @property
    def fold(self) -> int:
        """The fold that was held out to evaluate it."""
        return fold_of(self.groups[0])

    @property
    def seconds(self) -> float:
        """How long the stream is."""
        return len(self.sample.vectors) * CLIP_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
class CaseResult:
    """The detector's answer to a case."""

    case: EvaluationCase
    windows: Floats  # [k, 3] start s, end s, combined score (eq. 9), best first
    features: Floats  # [m, F] calibration features of the first m <= k windows
    local_saliency: NDArray[np.float32]  # [L] logits
    global_saliency: NDArray[np.float32]  # [L]
    background: NDArray[np.float32]  # [D] the stream's median clip vector

    @property
    def scores(self) -> Floats:
        """Combined scores [m] of the windows that have features."""
        scores: Floats = self.windows[: len(self.features), 2]
        return scores

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which of those windows [m] are right."""
        return right_moments(self.windows[: len(self.features)], self.case.sample.windows)


class TorchGraph:
    """A live SG-DETR where an exported graph is expected: the same inputs and outputs.

    Raises ValueError for a model in training mode.
    """

    def __init__(self, model: SGDETR) -> None:
        if model.training:
            raise ValueError("the model is in training mode: call model.eval() to evaluate it")
        self._model = model
        self._device = next(model.parameters()).device

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, NDArray[np.generic]]:
        """Outputs by name for inputs by name."""
        with torch.inference_mode():
            given = [torch.from_numpy(inputs[name]).to(self._device) for name in INPUTS]
            made = self._model(*given)
            # The graph's spans are fractions of the padded length.
            share = made.lengths / given[0].shape[1]
        tensors = {
            "local_saliency": made.local_saliency,
            "global_saliency": made.global_saliency,
            "span": made.last.span * share[:, None, None],
            "label": made.last.label,
            "quality": made.last.quality,
            "atss_label": made.atss.label,
            "atss_box": made.atss.box,
            "atss_centerness": made.atss.centerness,
        }
        return {name: tensor.float().cpu().numpy() for name, tensor in tensors.items()}


def case_of(sample: Sample, pooled: NDArray[np.float32]) -> EvaluationCase:
    """The case of a composed sample; `pooled` [D] is its query's unit vector.

    The group it is built around is that of the first segment showing the concept, else of the
    longest segment. An event that runs from the stream's beginning has no onset that is seen.
    """
    stream, query = sample.stream, sample.query
    shown = [s for s in stream.segments if query.concept and s.footage.has(query.concept)]
    central = shown[0] if shown else max(stream.segments, key=lambda s: s.end - s.start)
    first = central.footage.group
    onset = max((start for start, _ in query.windows), default=0.0)
    return EvaluationCase(
        sample=sample,
        pooled=pooled,
        concept=query.concept or OPEN_VOCABULARY,
        kind=query.category,
        spliced=stream.spliced,
        groups=(first, *sorted(stream.groups - {first})),
        onset_age_clips=stream.clips - onset / CLIP_SECONDS if onset > 0 else None,
    )


def evaluate_cases(
    graph: Session, cases: Sequence[EvaluationCase], settings: DetectorSettings, batch: int = 32
) -> list[CaseResult]:
    """The answers to all cases, in their order, by the live path's own code.

    `graph` is a `TorchGraph` or the exported detector; it must never have seen the cases' groups.
    Raises ValueError for a stream longer than the detector's window.
    """
    longest = max((len(case.sample.vectors) for case in cases), default=0)
    if longest > settings.window_clips:
        raise ValueError(
            f"a case has {longest} clips and the detector's window {settings.window_clips}: "
            "cut it, or use false_alarm_streams"
        )
    pairs = [(make_window(case.sample.vectors), make_query(case)) for case in cases]
    groundings = ground(graph, pairs, settings, batch)
    return [
        _result(case, pair, grounding, settings.max_moments)
        for case, pair, grounding in zip(cases, pairs, groundings, strict=True)
    ]


def ground(
    graph: Session,
    pairs: Sequence[tuple[Window, StandingQuery]],
    settings: DetectorSettings,
    batch: int,
) -> list[Grounding]:
    """Groundings of all pairs, with at least RANKED_MOMENTS spans where there are so many."""
    ranked = replace(settings, max_moments=max(RANKED_MOMENTS, settings.max_moments))
    return MomentDetector(graph, ranked, batch).ground(pairs)


def asks_for(concept: str) -> Callable[[EvaluationCase], bool]:
    """Picks the cases whose query is about a concept, shown or not."""
    return lambda case: case.concept == concept


def right_moments(found: Floats, truths: Floats) -> NDArray[np.bool_]:
    """Which windows [m, 2+] are right: IoU >= 0.5 with a true window [n, 2].

    For an event shorter than two clips it is enough that the middle lies within a second of it.
    """
    if not (len(found) and len(truths)):
        return np.zeros(len(found), np.bool_)
    overlaps = cross_iou(found[:, :2], truths) >= RIGHT_IOU  # [m, n]
    middle = found[:, :2].mean(axis=1)[:, None]
    short = truths[:, 1] - truths[:, 0] < SHORT_SECONDS
    near = (middle >= truths[:, 0] - SHORT_SLACK_SECONDS) & (
        middle <= truths[:, 1] + SHORT_SLACK_SECONDS
    )
    right: NDArray[np.bool_] = (overlaps | (near & short)).any(axis=1)
    return right


def make_window(vectors: NDArray[np.float32]) -> Window:
    """A window of clips [L, D] that were all seen, beginning at second 0."""
    clips = len(vectors)
    return Window(
        camera_id="evaluation",
        session=0,
        index=clips - 1,
        first_index=0,
        start=0.0,
        seen_until=clips * CLIP_SECONDS,
        clip_seconds=CLIP_SECONDS,
        vectors=vectors,
        mask=np.ones(clips, np.bool_),
    )


def make_query(case: EvaluationCase) -> StandingQuery:
    """The case's query as grounding sees it."""
    features = TextFeatures(case.concept, "evaluation", case.pooled, case.sample.tokens)
    return StandingQuery(case.concept, case.concept, features, threshold=0.5)


def features_of(
    grounding: Grounding, window: Window, query: StandingQuery, limit: int
) -> tuple[Floats, Floats]:
    """Windows [k, 3] in seconds and the features [m, F] of the first `limit` of them."""
    seconds = len(window.mask) * window.clip_seconds
    spans = [(s.start * seconds, s.end * seconds, s.score) for s in grounding.spans]
    rows = [moment_features(grounding, span, window, query) for span in grounding.spans[:limit]]
    features = np.array(rows, np.float64).reshape(-1, len(MOMENT_FEATURES))
    return np.array(spans, np.float64).reshape(-1, 3), features


def _result(
    case: EvaluationCase, pair: tuple[Window, StandingQuery], grounding: Grounding, limit: int
) -> CaseResult:
    windows, features = features_of(grounding, *pair, limit)
    return CaseResult(
        case=case,
        windows=windows,
        features=features,
        local_saliency=grounding.local_saliency,
        global_saliency=grounding.global_saliency,
        background=np.median(case.sample.vectors, axis=0),
    )

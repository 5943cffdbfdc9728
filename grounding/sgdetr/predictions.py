"""What SG-DETR's forward pass returns, and what it must be given to train (shapes beside names).

B samples, L clips (padded, a multiple of 4), N text tokens, Q = 25 queries, d = 256, P = 3.75 L
positions of the pyramid (levels of 2L, L, L/2, L/4, concatenated in this order).

**Units.** Spans are (centre, width) as fractions of the *sample's own length* `lengths[b]` (clips):
the number of valid rows in the official variant, the index of the last valid row plus one in the
masked (live) variant. So neither depends on how far the batch is padded. Multiply by
`lengths[b] * clip_seconds` for seconds. ATSS boxes and anchors are in units of two-second clips
(`grounding.sgdetr.anchors`). All labels, qualities and saliencies are logits.

Files of the network: config.py and predictions.py (this package's seams); model.py (the order of
the forward pass), inputs.py, initialise.py, layers.py, attention.py, position.py, saliency.py,
cross_modal.py, encoder.py, pyramid.py, selector.py, decoder.py, atss_head.py, auxiliary.py,
collaborative.py; weights.py (official checkpoints); export.py (ONNX).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grounding.sgdetr.atss import Assignment


@dataclass(frozen=True, slots=True)
class QueryOutputs:
    """One layer's answer for Q queries (or K collaborative ones)."""

    label: Tensor  # [B, Q] logits
    span: Tensor  # [B, Q, 2] (centre, width) in (0, 1), carries gradient
    quality: Tensor  # [B, Q] logits of the IoU
    reference: Tensor  # [B, Q, 2] the (centre, width) that `span` refines


@dataclass(frozen=True, slots=True)
class AtssOutputs:
    """The auxiliary dense head over all positions."""

    label: Tensor  # [B, P] logits
    box: Tensor  # [B, P, 2] (dx, dw), to be decoded against `anchors`
    centerness: Tensor  # [B, P] logits
    anchors: Tensor  # float64 [P, 2] (start, end) in two-second clips
    level_lengths: tuple[int, ...]  # positions of each level, summing to P
    valid: Tensor  # bool [B, P]; all True in the official variant


@dataclass(frozen=True, slots=True)
class CollabOutputs:
    """Collaborative queries (training only): K = the largest positive count of the batch.

    Per sample the ATSS positives, in position order, then negatives up to K. Samples without any
    window (absent queries) hold only negatives; where even those run out `used` is False.
    """

    layers: tuple[QueryOutputs, ...]  # first to last; label [B, K], span [B, K, 2]
    positive: Tensor  # bool [B, K]
    used: Tensor  # bool [B, K] False on filler that no loss may count
    truth: Tensor  # [B, K, 2] matched window (c, w) of the positives, 0 elsewhere
    anchor: Tensor  # [B, K, 2] (c, w) the queries start from
    content: Tensor  # [B, K, d] mapped features of their positions


@dataclass(frozen=True, slots=True)
class NegativePairs:
    """Saliency of videos with a foreign text; R rows, one per kept pair, in batch order."""

    kept: Tensor  # bool [B]; False where text and video come from one source video
    local_saliency: Tensor  # [R, L]
    global_saliency: Tensor  # [R, L]


@dataclass(frozen=True, slots=True)
class AuxiliaryTokens:
    """What ms_align and momcls compare."""

    sentence: Tensor  # [B, d] sentence token
    moment: Tensor  # [B, d] moment token of the relevant clips
    other: Tensor  # [B, d] moment token of the irrelevant clips
    clips: Tensor  # [B, L, d] relevant clips of the first pass, the others of the second


@dataclass(frozen=True, slots=True)
class Predictions:
    """The forward pass's result; the last four are None outside training."""

    mask: Tensor  # [B, L] 1 valid, 0 padding or gap (as given)
    lengths: Tensor  # [B] clips that the fractions of spans refer to (float)
    local_saliency: Tensor  # [B, L] logits
    global_saliency: Tensor  # [B, L] logits
    layers: tuple[QueryOutputs, ...]  # decoder layers, first to last
    encoder: QueryOutputs | None  # the selector's 25; None with learned anchors
    atss: AtssOutputs
    assignment: Assignment | None = None  # of `atss` to the targets
    collab: CollabOutputs | None = None  # None without targets, or without any positive
    negative: NegativePairs | None = None  # None if every pair was excluded
    tokens: AuxiliaryTokens | None = None

    @property
    def last(self) -> QueryOutputs:
        """The last decoder layer: what inference uses."""
        return self.layers[-1]


@dataclass(frozen=True, slots=True)
class Targets:
    """Ground truth of a batch; built by whoever loads data.

    `spans[b]` may be empty: the query is absent from that window. `sources[b]` names the source
    video: two samples of one source are never a negative pair; `negative_ok` excludes more (the
    text of sample b+1 on the video of sample b is used as a negative only where it is True).
    """

    spans: tuple[Tensor, ...]  # per sample [n_b, 2] (c, w), fractions of the sample's own length
    durations: Tensor  # [B] seconds of the sample's own length
    saliency: Tensor  # [B, L] 0..12, the sum of three annotators
    positive_clips: Tensor  # int64 [B, pairs] margin pairs: the clip that must win ...
    negative_clips: Tensor  # int64 [B, pairs] ... over this one
    sources: Sequence[str]
    negative_ok: Tensor | None = None  # bool [B]

    @property
    def present(self) -> Tensor:
        """Bool [B]: does the sample have any window."""
        found = [len(spans) > 0 for spans in self.spans]
        return torch.tensor(found, device=self.saliency.device)

    @property
    def relevant(self) -> Tensor:
        """Bool [B, L]: clips with any saliency."""
        return self.saliency > 0

    def negative_pairs(self) -> Tensor:
        """Bool [B]: is the text of sample b+1 (of 0 for the last) a negative for video b."""
        following = [*self.sources[1:], *self.sources[:1]]
        different = [a != b for a, b in zip(self.sources, following, strict=True)]
        kept = torch.tensor(different, device=self.saliency.device)
        return kept if self.negative_ok is None else kept & self.negative_ok


def official_source(video: str) -> str:
    """The source video of an official video name: all but its last two `_` parts.

    A name with a single `_` is cut there too (specification 11.6), so name sources yourself.

    >>> official_source("aaa_60.0_150.0"), official_source("video_001")
    ('aaa', 'video')
    """
    return "_".join(video.split("_")[:-2]) or video.split("_")[0]

"""Weights of the loss terms and the switches between the official and the live variant."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MatchCosts:
    """Weights of the matching cost (one-to-one assignment of windows to queries)."""

    span: float = 10.0  # L1 on (centre, width)
    giou: float = 1.0
    label: float = 4.0
    quality: float = 1.0


@dataclass(frozen=True, slots=True)
class SpanWeights:
    """Weights of the DETR head's terms; selector and collaborative queries use them too."""

    span: float = 10.0
    giou: float = 1.0
    label: float = 5.0
    quality: float = 1.0


@dataclass(frozen=True, slots=True)
class AtssWeights:
    """Weights of the ATSS head's terms."""

    label: float = 2.0
    giou: float = 2.0
    span: float = 0.1
    centerness: float = 0.5


@dataclass(frozen=True, slots=True)
class LossSettings:
    """All weights and switches of the training loss; the defaults are QVHighlights'.

    `background` weighs unmatched queries; `absent_background` those of samples without a window.
    `lone_exclusion_counts` False reproduces an official quirk: if exactly one pair of the batch
    is no negative pair, that sample's rank-contrastive term is dropped.
    `spans` False leaves out every term about windows (TVSum, YouTube Highlights).
    """

    costs: MatchCosts = field(default_factory=MatchCosts)
    span: SpanWeights = field(default_factory=SpanWeights)
    atss: AtssWeights = field(default_factory=AtssWeights)
    spans: bool = True
    saliency: float = 1.0
    ms_align: float = 1.0
    momcls: float = 3.0
    selector_share: float = 0.5
    collab_share: float = 0.5
    background: float = 0.1
    absent_background: float = 1.0
    margin: float = 0.15
    contrast_temperature: float = 0.5
    lone_exclusion_counts: bool = False

    @classmethod
    def official(cls) -> "LossSettings":
        """QVHighlights, Charades-STA and TACoS."""
        return cls()

    @classmethod
    def highlights(cls) -> "LossSettings":
        """TVSum and YouTube Highlights: saliency only, no windows."""
        return cls(spans=False)

    @classmethod
    def live(cls) -> "LossSettings":
        """Our own training, absent windows included."""
        return cls(lone_exclusion_counts=True)

"""What shape an SG-DETR has: one frozen dataclass, one preset per dataset (no torch import)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SGDETRConfig:
    """Sizes, variants and initial values of the network; the defaults are QVHighlights'.

    `masked` is the live variant: rows without a clip are masked everywhere, pyramid and ATSS head
    included, and positions keep to the clock (a gap inside a window does not shift what follows).
    `end_points` says that the last two video features are (i/L, (i+1)/L). `selector` False (TVSum,
    YouTube Highlights) replaces the query selector by learned anchors and contents.
    """

    video_features: int = 512  # without temporal end points
    text_features: int = 512
    end_points: bool = True
    masked: bool = False
    selector: bool = True
    clip_seconds: float = 2.0
    max_video_clips: int = 75
    max_text_tokens: int = 40

    width: int = 256
    heads: int = 8
    ffn_width: int = 1024
    pooling_layers: int = 2
    cross_layers: int = 2
    encoder_layers: int = 3
    decoder_layers: int = 3
    tower_layers: int = 3
    queries: int = 25

    dropout: float = 0.1
    drop_path: float = 0.15
    projection_dropout: float = 0.5
    pooling_dropout: float = 0.1

    prior: float = 0.35  # initial probability of a query, selector position or ATSS position
    temperature_init: float = 3.0  # S_local = exp(temperature) * cosine + bias
    saliency_bias: float = 0.0  # its initial value; a logit of the share of positive clips
    atss_top_k: int = 12
    truncate_truth: bool = False  # the official ATSS ground truth, cut to whole seconds
    negative_from_projected: bool = False  # officially a negative pair's S_local sees the modality

    @property
    def video_dims(self) -> int:
        """Features a video row must have, temporal end points included."""
        return self.video_features + 2 * self.end_points

    @classmethod
    def qvhighlights(cls) -> "SGDETRConfig":
        """The official QVHighlights (and InterVid-MR) network."""
        return cls(truncate_truth=True)

    @classmethod
    def charades(cls) -> "SGDETRConfig":
        """The official Charades-STA network: clips of one second."""
        return cls(
            clip_seconds=1.0, max_video_clips=200, prior=0.25, atss_top_k=18, truncate_truth=True
        )

    @classmethod
    def tacos(cls) -> "SGDETRConfig":
        """The official TACoS network: one pooling layer."""
        return cls(max_video_clips=750, prior=0.2, pooling_layers=1, truncate_truth=True)

    @classmethod
    def tvsum(cls) -> "SGDETRConfig":
        """The official TVSum network: learned anchors, only its saliency is of use."""
        return cls(max_video_clips=500, selector=False, truncate_truth=True)

    @classmethod
    def youtube(cls) -> "SGDETRConfig":
        """The official YouTube Highlights network: as TVSum's, for longer videos."""
        return cls(max_video_clips=1000, selector=False, truncate_truth=True)

    @classmethod
    def live(cls) -> "SGDETRConfig":
        """Watchword's own: no end points, masks everywhere, few clips expected to be positive."""
        return cls(end_points=False, masked=True, saliency_bias=-3.0, negative_from_projected=True)

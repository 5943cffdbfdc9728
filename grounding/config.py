"""Frozen settings of the running grounding part; a bundle's own are in settings.py."""

from dataclasses import dataclass, field

from encoder.session import SessionOptions


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """When moments become an alert, and when the alert is over."""

    merge_seconds: float = 10.0  # a moment this close to the last one extends its alert
    for_seconds: float = 0.0  # only events that last this long are told
    keep_firing_for_seconds: float = 0.0  # how long an alert outlives its end, if above merging
    settle_seconds: float = 6.0  # how much later than that it closes: late recognition
    update_seconds: float = 1.0  # a start or end that moved this far is told
    update_score: float = 0.05
    saliency_context_seconds: float = 10.0  # of the curve, before the start and after the end
    window_seconds: float = 150.0  # how long an event stays in sight of later windows
    recent_seconds: float = 10.0  # boundaries follow the best moment of windows this recent

    @property
    def hold_seconds(self) -> float:
        """The largest pause inside one event."""
        return max(self.merge_seconds, self.keep_firing_for_seconds)


@dataclass(frozen=True, slots=True)
class OverloadSettings:
    """When grounding counts as overloaded, and what it leaves out then (`grounding.overload`)."""

    limit_seconds: float = 10.0  # how old live clips may be when they are read
    threshold_delta: float = 1.0  # logits above the gate's threshold, from step 1
    pairs: int = 8  # of a window, from step 2
    period_seconds: float = 10.0  # what is judged at a time
    calm_seconds: float = 60.0  # before a step is taken back
    spare: float = 0.8  # of the time may be spent after that


@dataclass(frozen=True, slots=True)
class GroundingConfig:
    """How grounding runs here."""

    alerts: AlertSettings = AlertSettings()
    detector_batch: int = 8  # pairs in one run of the detector
    window_batch: int = 8  # windows taken together when more than one is due
    session: SessionOptions = field(default_factory=SessionOptions)  # of detector and gate
    audit_every: int = 1000  # one pair in so many bypasses the gate, for metrics only; 0: none
    # A wall-clock tick counts as data this much later, so that clips still on their way through
    # the encoder find their alert open.
    silence_grace_seconds: float = 10.0
    tick_seconds: float = 1.0
    # While embeddings wait unread a camera is silent only after this long without any.
    backlog_grace_seconds: float = 120.0
    forget_seconds: float = 600.0  # a live camera silent for so long is forgotten
    poll_seconds: float = 0.25  # how soon a changed query is noticed while no clip comes
    overload: OverloadSettings | None = OverloadSettings()  # None: nothing is ever left out
    # Open alerts outlive the process: their state goes with each event, the end leaves them open.
    resumable: bool = False
    min_moment_seconds: float = 0.5

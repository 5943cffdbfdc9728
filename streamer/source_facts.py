"""What is known of a source: before it is read, and while it is."""

from dataclasses import dataclass, field
from typing import Literal

from streamer.evidence.tally import EvidenceTally
from streamer.frame import ClockSource

DecodedOn = Literal["cpu", "cuda"]


@dataclass(slots=True)
class ReadTally:
    """What a read met; counted while it goes on, and over all connections of a camera."""

    opened: int = 0  # sources: once a connection, once a file of a glob
    frames: int = 0
    decode_errors: int = 0  # packets that gave no picture, and pictures decoded with damage
    packets: int = 0
    skipped: int = 0  # packets that were not decoded, because no clip needs their pictures
    decode_seconds: float = 0.0  # the processor's, of the thread that reads
    evidence: EvidenceTally = field(default_factory=EvidenceTally)
    decoder: DecodedOn = "cpu"  # what the newest connection is decoded on
    card_refusals: int = 0  # times it went from the card to the processor
    card_refusal: str = ""  # why it stays there; "": it does not

    def refuse_card(self, why: str) -> None:
        """Stay on the processor from now on."""
        self.decoder = "cpu"
        self.card_refusals += 1
        self.card_refusal = why


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source says of itself, its first picture included."""

    codec: str
    width: int  # as stored, before turning by the display matrix
    height: int
    fps: float | None
    seconds: float | None  # None: live, or the file does not say
    start: float | None  # UTC seconds of a file's beginning; None: live
    pixel_format: str
    rotation: int  # degrees counter-clockwise, as the display matrix says
    live: bool
    decoder: DecodedOn = "cpu"
    card_refusal: str = ""  # why the card was asked and did not decode it


@dataclass(frozen=True, slots=True)
class SourceSurvey:
    """What was seen of a source while it was looked at, and what would be done with it."""

    facts: SourceFacts
    first_picture_seconds: float  # from the beginning of its opening
    seconds: float  # of its own time that were looked at
    measured_fps: float | None  # None: one picture says nothing
    keyframe_seconds: float | None  # the longest distance between two; None: there were no two
    clock_source: ClockSource
    has_sound: bool
    decode: str  # which pictures would be decoded: all, nonref or keyframes
    decoder_name: str  # FFmpeg's name of what decodes them

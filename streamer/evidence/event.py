"""An event in the evidence of a camera, and the clip that shows it."""

from dataclasses import dataclass

from streamer.evidence.config import ClipOptions


@dataclass(frozen=True, slots=True)
class Cut:
    """What a clip holds: from its first picture to the end of its last, in UTC seconds.

    Segments of other parameters (a camera that came back with another codec or size) cannot be in
    one file: of `parts` such stretches that touch the time asked for, this is one.
    """

    start: float
    end: float
    codec: str
    width: int
    height: int
    parts: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """The time to be shown, and the event that has to be in it, in UTC seconds."""

    begin: float
    end: float
    event_start: float
    event_end: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was seen: when it began, ended and was clearest, in UTC seconds."""

    camera_id: str
    start: float
    end: float
    peak: float

    def wanted(self, options: ClipOptions) -> Wanted:
        """The time to be shown of it; of one that lasts too long, its beginning."""
        begin = self.start - options.before_seconds
        end = min(self.end + options.after_seconds, begin + options.longest_seconds)
        return Wanted(begin, end, self.start, min(self.end, end))

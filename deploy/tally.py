"""What has been seen of a camera: for progress, offsets in files, and blind time."""

from dataclasses import dataclass

from encoder.embedding import ClipEmbedding

# The end of a file's last frame and of the file itself differ by this much without a loss: sound
# may outlast the pictures, and a frame's length is an estimate.
UNSEEN_TOLERANCE_SECONDS = 0.5


@dataclass(slots=True)
class CameraTally:
    """The clips of one camera so far."""

    clips: int = 0
    seen_seconds: float = 0.0
    file_start: float | None = None  # UTC seconds; set by facts, or by the first clip of a file

    def add(self, clip: ClipEmbedding) -> None:
        """Count a clip."""
        if self.file_start is None and clip.clock_source == "file":
            self.file_start = clip.start
        self.clips += 1
        self.seen_seconds += clip.seen_until - clip.start

    def unseen_seconds(self, planned: float) -> float:
        """How much of the planned seconds no clip has shown."""
        unseen = planned - self.seen_seconds
        return unseen if unseen > UNSEEN_TOLERANCE_SECONDS else 0.0

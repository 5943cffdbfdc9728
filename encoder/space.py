"""Embedding spaces: vectors of different spaces are never compared."""

import hashlib
from dataclasses import asdict, dataclass

import msgspec

from streamer.clip import ClipFormat, Instants


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Everything that decides what a clip's vector means (design: "embedding space")."""

    model: str
    dims: int
    clip_seconds: float
    frames_per_clip: int
    width: int  # pixels after resizing
    height: int
    kernel: str  # of the resize: a name of `streamer.resizing.KERNELS`
    mean: tuple[float, float, float]  # of RGB in [0, 1]
    std: tuple[float, float, float]
    instants: Instants = "middles"  # where in its share of the clip each frame is taken

    @property
    def id(self) -> str:
        """A short name that differs whenever any part of the space differs."""
        parts = asdict(self)
        if self.instants == "middles":  # spaces had no other when the first of them got its name
            del parts["instants"]
        digest = hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()
        return f"{self.model}-{self.dims}d-{digest[:8]}"

    @property
    def clip_format(self) -> ClipFormat:
        """What the streamer must cut for this space."""
        return ClipFormat(
            frames=self.frames_per_clip,
            width=self.width,
            height=self.height,
            kernel=self.kernel,
            seconds=self.clip_seconds,
            instants=self.instants,
        )

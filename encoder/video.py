"""Clips to unit vectors."""

import numpy as np
from numpy.typing import NDArray

from encoder.bundle import Bundle
from encoder.config import CPU_BATCH, GPU_BATCH
from encoder.errors import ClipError, ModelError
from encoder.metrics import BUNDLE_INFO
from encoder.session import SessionOptions, open_session


class VideoEncoder:
    """A bundle's video tower.

    Raises ModelError if the tower is not what the manifest's embedding space says.
    """

    def __init__(self, bundle: Bundle, options: SessionOptions | None = None) -> None:
        path = bundle.path("video")
        self.space = bundle.space
        self._shape = (
            self.space.frames_per_clip,
            self.space.height,
            self.space.width,
            3,
        )
        self._session = open_session(path, options)
        self._session.require({"frames"}, {"embedding"})
        wanted = self._session.inputs["frames"][1:]
        if wanted != self._shape:
            raise ModelError(f"{path} takes clips {wanted}, its manifest promises {self._shape}")
        BUNDLE_INFO.labels(bundle.name, bundle.manifest.version, self.space.id).set(1)

    @property
    def best_batch(self) -> int:
        """How many clips one run should hold on this device."""
        return GPU_BATCH if self.overlaps else CPU_BATCH

    @property
    def overlaps(self) -> bool:
        """Whether clips are gathered while others are encoded: a card leaves the cores free."""
        return self._session.providers != ("CPUExecutionProvider",)

    def encode(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB clips uint8 [B, T, H, W, 3] -> unit vectors float32 [B, D].

        A clip's vector does not depend on the others of its batch. Raises ClipError if the shape
        is not the space's, ModelError if a vector is not finite.
        """
        if clips.dtype != np.uint8 or clips.shape[1:] != self._shape:
            raise ClipError(
                f"clips are {clips.dtype} {clips.shape[1:]}, embedding space {self.space.id} wants"
                f" uint8 {self._shape}: cut them with the bundle's clip format"
            )
        if not len(clips):
            return np.zeros((0, self.space.dims), np.float32)
        vectors: NDArray[np.float32] = self._session.run({"frames": clips})["embedding"]
        if vectors.shape != (len(clips), self.space.dims) or not np.isfinite(vectors).all():
            raise ModelError(
                f"the video tower of {self.space.id} gave {vectors.shape}, or numbers that are"
                f" not finite, for {len(clips)} clips"
            )
        return vectors

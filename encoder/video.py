"""Clips to unit vectors."""

import logging

import numpy as np
from numpy.typing import NDArray

from encoder.bundle import Bundle
from encoder.cards import card_is_there
from encoder.errors import ClipError, ModelError
from encoder.metrics import BUNDLE_INFO, RUNTIME_INFO
from encoder.runtimes import OpenedVideo, open_video
from encoder.session import SessionOptions

_log = logging.getLogger(__name__)


class VideoEncoder:
    """A bundle's video tower, on the runtime that `encoder.runtimes.open_video` chooses.

    Raises ModelError if the tower is not what the manifest's embedding space says, and what
    `open_video` raises.
    """

    def __init__(self, bundle: Bundle, options: SessionOptions | None = None) -> None:
        self.space = bundle.space
        self._shape = (
            self.space.frames_per_clip,
            self.space.height,
            self.space.width,
            3,
        )
        opened = open_video(bundle, options)
        self._runner = opened.runner
        if self._runner.clip_shape != self._shape:
            raise ModelError(
                f"the video tower of {bundle.folder} takes clips {self._runner.clip_shape}, its"
                f" manifest promises {self._shape}"
            )
        _log.info("the video model runs on %s", self._runner.description)
        _say_what_was_passed_over(opened)
        BUNDLE_INFO.labels(bundle.name, bundle.manifest.version, self.space.id).set(1)
        RUNTIME_INFO.labels(self._runner.runtime).set(1)

    @property
    def best_batch(self) -> int:
        """How many clips one run should hold on this device."""
        return self._runner.best_batch

    @property
    def overlaps(self) -> bool:
        """Whether the next batch can be made ready while one is encoded."""
        return self._runner.runtime != "cpu"

    @property
    def runtime(self) -> str:
        """What the tower runs on: tensorrt, tensorrt-rtx, tensorrt-ep, cuda or cpu."""
        return self._runner.runtime

    def encode(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB clips uint8 [B, T, H, W, 3] -> unit vectors float32 [B, D].

        A clip's vector does not depend on the others of its batch. May be called by several threads
        at once. Raises ClipError if the shape is not the space's, ModelError if a vector is not
        finite or the runtime refuses, EngineError if the card fails.
        """
        if clips.dtype != np.uint8 or clips.shape[1:] != self._shape:
            raise ClipError(
                f"clips are {clips.dtype} {clips.shape[1:]}, embedding space {self.space.id} wants"
                f" uint8 {self._shape}: cut them with the bundle's clip format"
            )
        if not len(clips):
            return np.zeros((0, self.space.dims), np.float32)
        vectors = self._runner.run(clips)
        if vectors.shape != (len(clips), self.space.dims) or not np.isfinite(vectors).all():
            raise ModelError(
                f"the video tower of {self.space.id} gave {vectors.shape}, or numbers that are"
                f" not finite, for {len(clips)} clips"
            )
        return vectors


def _say_what_was_passed_over(opened: OpenedVideo) -> None:
    """What should work is warned of; of what nobody installed only where it leaves a card idle."""
    runner, reasons = opened.runner, opened.passed_over
    if runner.runtime == "cpu" and reasons and card_is_there():
        told = "; ".join(f"{name}: {why}" for name, why in reasons.items())
        _log.warning("there is a card, and the video model runs on the CPU: %s", told)
        return
    for name, why in reasons.items():
        level = logging.WARNING if name in opened.broken else logging.DEBUG
        _log.log(level, "the video model does not run on %s: %s", name, why)

"""What a clip's vector is made of, computed once per frame; clips are then composed at will."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from encoder.training.stages import FrameFeatures, open_module, run_batches
from encoder.training.towers import MAP_CHANNELS, MotionHead


@dataclass(frozen=True, slots=True, eq=False)
class FrameStore:
    """Features of N frames."""

    vectors: NDArray[np.float32]  # [N, D] what the frame head says, not normalised
    maps: NDArray[np.float16]  # [N, 320, h, w] the backbone's stage 7


def compute_frames(module: FrameFeatures, pixels: NDArray[np.uint8], folder: Path) -> FrameStore:
    """Features of `pixels` [N, H, W, 3], read from `folder` if they were computed before."""
    vectors_path, maps_path = folder / "frame-vectors.npy", folder / "frame-maps.npy"
    if not maps_path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = maps_path.with_suffix(".part")
        session = open_module(module, ("vectors", "maps"))
        vectors: list[NDArray[np.float32]] = []
        maps: NDArray[np.float16] | None = None
        for rows, outputs in run_batches(session, pixels):
            if maps is None:
                shape = (len(pixels), MAP_CHANNELS, *outputs["maps"].shape[2:])
                maps = np.lib.format.open_memmap(unfinished, "w+", np.float16, shape)
            maps[rows] = outputs["maps"]
            vectors.append(outputs["vectors"])
        np.save(vectors_path, np.concatenate(vectors))
        unfinished.rename(maps_path)
    return FrameStore(np.load(vectors_path), np.load(maps_path))


class ClipComposer:
    """Clip vectors of any choice of frames, with one motion head."""

    def __init__(self, store: FrameStore, motion: MotionHead) -> None:
        self._vectors = store.vectors
        self._motion = motion.eval()
        self._reduced = _reduced(store, motion)  # [N, dims, P]
        still = torch.zeros(1, 2, *self._reduced.shape[1:])
        with torch.inference_mode():
            self._still = motion.read(still).numpy()  # [1, D] of a clip in which nothing moves

    @torch.inference_mode()
    def vectors(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """Rows of the frame store [L, T] -> unit clip vectors [L, D]."""
        residual = np.repeat(self._still, len(rows), axis=0)
        moving = np.flatnonzero((rows != rows[:, :1]).any(1))
        if len(moving):
            reduced = torch.from_numpy(self._reduced[rows[moving]].astype(np.float32))
            residual[moving] = self._motion.read(reduced).numpy()
        summed = self._vectors[rows].mean(1) + residual
        unit: NDArray[np.float32] = summed / np.linalg.norm(summed, axis=1, keepdims=True)
        return unit


@torch.inference_mode()
def _reduced(store: FrameStore, motion: MotionHead, batch: int = 512) -> NDArray[np.float16]:
    parts = [
        motion.reduced(torch.from_numpy(store.maps[start : start + batch].astype(np.float32)))
        .to(torch.float16)
        .numpy()
        for start in range(0, len(store.maps), batch)
    ]
    return np.concatenate(parts)


def clip_batch(store: FrameStore, motion: MotionHead, rows: NDArray[np.int32]) -> Tensor:
    """Clip vectors [B, D] of rows [B, T] that carry the motion head's gradient."""
    frames = torch.from_numpy(store.vectors[rows])  # [B, T, D]
    maps = torch.from_numpy(store.maps[rows].astype(np.float32))  # [B, T, 320, h, w]
    return F.normalize(frames.mean(1) + motion(maps), dim=-1)

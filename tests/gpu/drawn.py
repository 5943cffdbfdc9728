"""Clips that are hard on low precision: black, white, saturated, noise; and some that are not."""

import numpy as np

from encoder.space import EmbeddingSpace


def drawn_clips(space: EmbeddingSpace, seed: int = 0) -> np.ndarray:
    """uint8 [12, T, H, W, 3], each unlike the others."""
    random = np.random.default_rng(seed)
    shape = (space.frames_per_clip, space.height, space.width, 3)
    rows, columns = np.mgrid[: space.height, : space.width]
    pixel = np.array([255, 255, 255])
    plain = [np.full(shape, value) for value in (0, 255)]
    saturated = [
        np.broadcast_to(pixel * np.eye(3, dtype=int)[channel], shape) for channel in (0, 2)
    ]
    checks = [
        np.broadcast_to((((rows // size + columns // size) % 2) * 255)[None, :, :, None], shape)
        for size in (1, 16)
    ]
    ramp = np.broadcast_to((columns * 255 // space.width)[None, :, :, None], shape)
    noise = [random.integers(0, 256, shape), random.choice([0, 255], shape)]
    return np.stack([*plain, *saturated, *checks, ramp, *noise, *_moving(shape)]).astype(np.uint8)


def _moving(shape: tuple[int, ...]) -> list[np.ndarray]:
    """A bright square that goes right, one that goes down, and one that stays."""
    frames, height = shape[:2]
    side = height // 4
    clips = []
    for right, down in ((1, 0), (0, 1), (0, 0)):
        clip = np.full(shape, 40)
        for number in range(frames):
            step = number * (height - side) // max(1, frames - 1)
            top, left = down * step, right * step
            clip[number, top : top + side, left : left + side] = (220, 180, 60)
        clips.append(clip)
    return clips

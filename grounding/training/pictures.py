"""Pictures and videos as uint8 arrays of the training size, read as the pipeline reads them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grounding.training.footage import FRAME_HEIGHT, FRAME_WIDTH
from streamer.clip import ClipFormat
from streamer.config import ReadOptions
from streamer.source import probe, read_frames

Pixels = NDArray[np.uint8]  # [T, H, W, 3] RGB


def read_video(path: Path, fps: float) -> Pixels:
    """Frames of a video at about `fps`, squashed to the training size: [T, H, W, 3]."""
    pictures: list[Pixels] = []
    first = None
    for frame in read_frames(str(path), _options(FRAME_WIDTH, FRAME_HEIGHT)):
        first = frame.at if first is None else first
        if frame.at - first + 1e-6 >= len(pictures) / fps:
            pictures.append(frame.pixels)
    return np.stack(pictures)


def read_picture(path: Path) -> Pixels:
    """One picture, squashed to the training size: [1, H, W, 3]."""
    return read_video(path, 1.0)[:1]


def read_crop(path: Path) -> Pixels:
    """A crop of a picture, fitted in at its own shape on its mean colour: [1, H, W, 3].

    Squashing a standing person's crop to 5:3 would make a lying one of it.
    """
    facts = probe(str(path), _options(FRAME_WIDTH, FRAME_HEIGHT))
    scale = min(FRAME_WIDTH / facts.width, FRAME_HEIGHT / facts.height)
    width, height = (max(2, round(side * scale)) for side in (facts.width, facts.height))
    inside = next(iter(read_frames(str(path), _options(width, height)))).pixels
    canvas = np.empty((1, FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8)
    canvas[:] = inside.reshape(-1, 3).mean(0).astype(np.uint8)
    top, left = (FRAME_HEIGHT - height) // 2, (FRAME_WIDTH - width) // 2
    canvas[0, top : top + height, left : left + width] = inside
    return canvas


def _options(width: int, height: int) -> ReadOptions:
    return ReadOptions("training", ClipFormat(1, width, height, "area"), start=0.0)


def thumbnail(frames: Pixels) -> NDArray[np.float32]:
    """The median background of a piece of footage as a standardised thumbnail: [12 * 20 * 3]."""
    cells = frames.reshape(len(frames), 12, FRAME_HEIGHT // 12, 20, FRAME_WIDTH // 20, 3)
    background = np.median(cells.mean((2, 4)), axis=0).astype(np.float32).ravel()
    centred = background - background.mean()
    scaled: NDArray[np.float32] = centred / (np.linalg.norm(centred) + 1e-6)
    return scaled


def clusters(thumbnails: NDArray[np.float32], similarity: float) -> list[int]:
    """Cluster numbers of thumbnails [N, D]: single linkage over correlations above `similarity`."""
    linked = thumbnails @ thumbnails.T > similarity
    labels = [-1] * len(linked)
    for seed in range(len(linked)):
        if labels[seed] >= 0:
            continue
        waiting = [seed]
        labels[seed] = seed
        while waiting:
            for neighbour in np.flatnonzero(linked[waiting.pop()]):
                if labels[neighbour] < 0:
                    labels[neighbour] = seed
                    waiting.append(int(neighbour))
    return labels


def motion(frames: Pixels) -> NDArray[np.float32]:
    """Motion energy between neighbouring frames: mean absolute difference, [T - 1]."""
    small = frames[:, ::4, ::4].astype(np.int16)
    return np.asarray(np.abs(np.diff(small, axis=0)).mean((1, 2, 3)), np.float32)

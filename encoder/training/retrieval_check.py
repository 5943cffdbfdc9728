"""Flickr8k text-to-image recall of a bundle as it ships: its own files, its own picture size."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.bundle import Bundle
from encoder.text import TextEncoder
from encoder.training.flickr8k import read_flickr8k
from encoder.training.retrieval import recall_at
from encoder.video import VideoEncoder
from streamer.config import ReadOptions
from streamer.source import read_frames

Report = Callable[[str], None]
_TEXTS = 64  # encoded at a time


def bundle_recall(
    bundle: Bundle, data: Path, cache: Path, report: Report, split: str = "test"
) -> dict[int, float]:
    """R@1, 5, 10 and 50 over a split, every picture shown as a clip in which nothing moves."""
    flickr = read_flickr8k(data, cache)
    rows = flickr.splits[split]
    encoder, texts = VideoEncoder(bundle), TextEncoder(bundle)
    vectors = []
    for number, row in enumerate(rows):
        vectors.append(encoder.encode(_still_clip(flickr.paths[row], encoder))[0])
        if (number + 1) % 200 == 0:
            report(f"{number + 1}/{len(rows)} pictures")
    captions = [text for row in rows for text in flickr.captions[row]]
    owner = np.repeat(np.arange(len(rows)), [len(flickr.captions[row]) for row in rows])
    pooled = [
        features.pooled
        for start in range(0, len(captions), _TEXTS)
        for features in texts.encode(captions[start : start + _TEXTS])
    ]
    return recall_at(
        torch.from_numpy(np.stack(pooled)),
        torch.from_numpy(np.stack(vectors)),
        torch.from_numpy(owner),
    )


def _still_clip(path: Path, encoder: VideoEncoder) -> NDArray[np.uint8]:
    """A picture as a clip, [1, T, H, W, 3]."""
    clip_format = replace(encoder.space.clip_format, frames=1)
    frame = next(iter(read_frames(str(path), ReadOptions("check", clip_format, start=0.0))))
    return np.repeat(frame.pixels[None, None], encoder.space.frames_per_clip, axis=1)

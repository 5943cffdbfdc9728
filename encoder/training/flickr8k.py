"""Flickr8k: 8,091 pictures with five captions each, the towers' only source of free text."""

import csv
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingError
from streamer.clip import ClipFormat
from streamer.config import ReadOptions
from streamer.source import read_frames

# The set's pictures were squashed to squares; most were 4:3, and this restores their shape.
WIDTH, HEIGHT = 256, 192
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Flickr8k:
    """The pictures' paths, their captions, and the rows of each official split."""

    paths: tuple[Path, ...]
    captions: tuple[tuple[str, ...], ...]
    splits: dict[str, NDArray[np.int64]]


def read_flickr8k(data: Path, cache: Path) -> Flickr8k:
    """Unpack `flickr8k.tar` of the folder `data` into `cache` and read its lists.

    Raises TrainingError if a file is missing.
    """
    archive = data / "flickr8k.tar"
    if not archive.is_file():
        raise TrainingError(f"{archive} is missing: --data must name the folder with flickr8k.tar")
    root = cache / "flickr8k"
    if not root.is_dir():
        with tarfile.open(archive) as tar:
            tar.extractall(cache, filter="data")
    with (root / "captions.csv").open(newline="") as file:
        rows = [(row[0], row[1]) for row in csv.reader(file) if len(row) > 1][1:]
    paths = tuple(sorted((root / "images").glob("*.jpg")))
    row_of = {path.name: row for row, path in enumerate(paths)}
    captions: list[list[str]] = [[] for _ in paths]
    for name, caption in rows:
        if name in row_of:
            captions[row_of[name]].append(caption)
    splits = {split: _rows(data / f"flickr8k_{split}.txt", row_of) for split in SPLITS}
    return Flickr8k(paths, tuple(tuple(texts) for texts in captions), splits)


def read_pictures(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """The pictures at one size, [N, HEIGHT, WIDTH, 3] RGB."""
    options = ReadOptions("training", ClipFormat(1, WIDTH, HEIGHT, "bicubic"), start=0.0)
    pixels = np.empty((len(paths), HEIGHT, WIDTH, 3), np.uint8)
    for row, path in enumerate(paths):
        pixels[row] = next(iter(read_frames(str(path), options))).pixels
    return pixels


def _rows(path: Path, row_of: dict[str, int]) -> NDArray[np.int64]:
    names = [line.strip() for line in path.read_text().splitlines()]
    return np.array([row_of[name] for name in names if name in row_of], np.int64)

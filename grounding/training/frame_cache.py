"""The frame cache: every frame of every source in one memory-mapped file, indexed by footage.

Layout of a cache folder: `frames.u8`, raw uint8 [N, 192, 320, 3] RGB, and `footage.json`, a list
of `Footage` whose `row` and `frames` say which rows are whose. An encoder computes its features
once per row, and a schedule (see `compose`) names rows.
"""

import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from grounding.training.footage import FRAME_HEIGHT, FRAME_WIDTH, Footage
from grounding.training.source_groups import Item
from grounding.training.sources import (
    read_accidents,
    read_falls_in_bedrooms,
    read_fights,
    read_up_fall,
)
from grounding.training.still_sources import read_fall_pictures, read_fires, read_flickr

ARCHIVES = (
    "accident_boxes",
    "accident_cctv",
    "bed_falls",
    "falls",
    "fights",
    "fire",
    "flickr8k",
    "up_fall",
)

READERS: tuple[Callable[[Path], Iterator[Item]], ...] = (
    read_accidents,
    read_fights,
    read_falls_in_bedrooms,
    read_up_fall,
    read_fall_pictures,
    read_fires,
    read_flickr,
)


def unpack(data: Path, target: Path) -> Path:
    """Unpack the archives of the data folder that are not unpacked yet; returns `target`."""
    for name in ARCHIVES:
        if not (target / name).is_dir():
            with tarfile.open(data / f"{name}.tar") as archive:
                archive.extractall(target / name, filter="data")
    for split in data.glob("flickr8k_*.txt"):
        (target / split.name).write_bytes(split.read_bytes())
    return target


def write_frames(items: Iterable[Item], cache: Path) -> list[Footage]:
    """Append every item's frames to `frames.u8` and write `footage.json`; returns the index."""
    cache.mkdir(parents=True, exist_ok=True)
    index: list[Footage] = []
    row = 0
    with (cache / "frames.u8").open("wb") as file:
        for footage, frames in items:
            file.write(np.ascontiguousarray(frames).tobytes())
            index.append(replace(footage, row=row, frames=len(frames)))
            row += len(frames)
    (cache / "footage.json").write_bytes(msgspec.json.encode(index))
    return index


def build_cache(data: Path, cache: Path) -> list[Footage]:
    """Read all sources of an unpacked data folder into the cache (about 5 GB)."""
    return write_frames((item for reader in READERS for item in reader(data)), cache)


def read_index(cache: Path) -> list[Footage]:
    """The footage of a cache folder."""
    return msgspec.json.decode((cache / "footage.json").read_bytes(), type=list[Footage])


def open_frames(cache: Path) -> NDArray[np.uint8]:
    """All frames of a cache folder, memory-mapped: [N, 192, 320, 3]."""
    raw = np.memmap(cache / "frames.u8", dtype=np.uint8, mode="r")
    return raw.reshape(-1, FRAME_HEIGHT, FRAME_WIDTH, 3)

"""A street-like scene made of numbers: what the pipeline is measured on when no file is named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOISE_FIELDS = 16


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Size, length and bitrate of the scene; the defaults are a common camera substream."""

    width: int = 768
    height: int = 432
    fps: int = 25
    seconds: float = 90.0
    bits_per_second: int = 2_000_000
    movers: int = 6
    seed: int = 7

    @property
    def frames(self) -> int:
        """How many pictures the scene has."""
        return round(self.seconds * self.fps)


def draw_scene(options: SceneOptions) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures [H, W, 3]: a still background, textured boxes that cross it, sensor noise."""
    random = np.random.default_rng(options.seed)
    height, width = options.height, options.width
    background = _smooth_texture(random, height, width, cell=24)  # [H, W, 3]
    noise = random.normal(0, 3, (NOISE_FIELDS, height, width, 1)).astype(np.int16)
    movers = [_Mover.random(random, options) for _ in range(options.movers)]
    for index in range(options.frames):
        picture = background.copy()
        for mover in movers:
            mover.paint(picture, index / options.fps)
        yield np.clip(picture + noise[index % NOISE_FIELDS], 0, 255).astype(np.uint8)


def write_scene(
    path: Path, options: SceneOptions, x264: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Encode the scene as H.264 in an MP4 file, a key frame each 2 s; `x264` says how else."""
    import av

    codec_options = {"preset": "veryfast", "g": str(2 * options.fps), **x264}
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=options.fps, options=codec_options)
        stream.width, stream.height = options.width, options.height
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = options.bits_per_second
        for picture in draw_scene(options):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@dataclass(frozen=True, slots=True, eq=False)
class _Mover:
    texture: NDArray[np.int16]  # [h, w, 3]
    top: int
    offset: float  # pixels at second 0
    speed: float  # pixels a second

    @classmethod
    def random(cls, random: np.random.Generator, options: SceneOptions) -> "_Mover":
        height = int(random.integers(options.height // 12, options.height // 4))
        width = 2 * height
        return cls(
            texture=_smooth_texture(random, height, width, cell=6),
            top=int(random.integers(0, options.height - height)),
            offset=float(random.uniform(0, options.width)),
            speed=float(random.uniform(40, 200)) * float(random.choice([-1, 1])),
        )

    def paint(self, picture: NDArray[np.int16], second: float) -> None:
        height, width, _ = self.texture.shape
        left = int(self.offset + self.speed * second) % (picture.shape[1] - width)
        picture[self.top : self.top + height, left : left + width] = self.texture


def _smooth_texture(
    random: np.random.Generator, height: int, width: int, *, cell: int
) -> NDArray[np.int16]:
    """Colours that change every `cell` pixels, mixed with finer grain: [height, width, 3]."""
    rows, columns = height // cell + 1, width // cell + 1
    coarse = random.integers(40, 200, (rows, columns, 3))
    large = coarse.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]
    grain = random.normal(0, 12, (height, width, 1))
    return (large + grain).astype(np.int16)

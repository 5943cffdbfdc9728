"""A video tower of random weights, what it is measured with, and its files as a bundle."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from encoder.bundle import Bundle
from encoder.internvideo2.config import VARIANTS, VideoConfig
from encoder.internvideo2.recipes import space_of
from encoder.manifest import Manifest, Precision, Source, SpaceEntry, write_manifest
from encoder.space import EmbeddingSpace

if TYPE_CHECKING:
    from torch import Tensor

    from encoder.internvideo2.export import Form
    from encoder.internvideo2.export import Precision as ExportPrecision
    from encoder.internvideo2.tower import VideoTower

SEED = 0
_PRODUCT_SECONDS = 1.0


def chosen_config(model: str, frames: int | None, *, reduced: bool) -> VideoConfig:
    """A published tower, for `frames` if they are given; reduced to what a CPU does at once.

    Raises KeyError for a model that is none of VARIANTS.
    """
    config = VARIANTS[model]
    if frames is not None:
        config = replace(config, frames=frames)
    if not reduced:
        return config
    width = 2 * (config.width // config.heads)
    return replace(
        config,
        width=width,
        depth=3,
        heads=2,
        pool_heads=2,
        mlp_hidden=config.mlp_hidden * width // config.width,
        pooled=64,
        joint=32,
        image=56,
    )


@dataclass(frozen=True)
class RandomTower:
    """The tower in float32 on its device ("cpu", "cuda:0"), and a folder for its graphs."""

    config: VideoConfig
    device: str
    folder: Path

    @property
    def space(self) -> EmbeddingSpace:
        """Its clips and vectors."""
        return space_of("evaluation", "bench", self.config, clip_seconds=2.0)

    @cached_property
    def tower(self) -> "VideoTower":
        """The same weights for everybody."""
        from encoder.internvideo2.initialise import random_tower

        return random_tower(self.config, seed=SEED, device=self.device)

    def noise(self, batch: int) -> NDArray[np.uint8]:
        """Clips to measure speed with, uint8 [B, T, H, W, 3]."""
        shape = (batch, self.config.frames, self.config.image, self.config.image, 3)
        return np.random.default_rng(SEED).integers(0, 256, shape, np.uint8)

    def telling(self) -> NDArray[np.uint8]:
        """Clips that ask for precision, [11, T, H, W, 3]: one colour, ramps, noise."""
        shape = (self.config.frames, self.config.image, self.config.image, 3)
        corners = ((0, 0, 0), (255,) * 3, (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
        plain = [np.broadcast_to(np.array(one, np.uint8), shape) for one in corners]
        ramp = np.linspace(0, 255, shape[2]).astype(np.uint8)
        across = np.broadcast_to(ramp[None, None, :, None], shape)
        down = np.broadcast_to(ramp[None, :, None, None], shape)
        board = np.broadcast_to(np.indices(shape[:3]).sum(axis=0)[..., None] % 2 * 255, shape)
        return np.stack([*plain, across, down, board.astype(np.uint8), *self.noise(2)])

    def pixels(self, clips: NDArray[np.uint8]) -> "Tensor":
        """Normalised, float32 [B, T, 3, H, W], on the device."""
        import torch

        frames = torch.from_numpy(clips).to(self.device).float().permute(0, 1, 4, 2, 3)
        mean = torch.tensor(self.space.mean, device=self.device)[:, None, None] * 255.0
        std = torch.tensor(self.space.std, device=self.device)[:, None, None] * 255.0
        return (frames - mean) / std

    @cached_property
    def plain(self) -> Bundle:
        """`video.onnx`, in float32."""
        return self._written("plain", "decomposed", "fp32")

    @cached_property
    def fused(self) -> Bundle:
        """`video_tensorrt.onnx`, in bfloat16."""
        return self._written("fused", "fused", "bf16")

    @cached_property
    def half(self) -> Bundle:
        """`video_tensorrt.onnx`, in float16."""
        return self._written("half", "fused", "fp16")

    def _written(self, name: str, form: "Form", precision: "ExportPrecision") -> Bundle:
        from encoder.internvideo2.export import VideoExport, export_video
        from encoder.internvideo2.tower import tower_of

        folder = self.folder / name
        folder.mkdir()
        state = {key: value.cpu() for key, value in self.tower.state_dict().items()}
        export = VideoExport(form, precision, check=False)
        export_video(tower_of(self.config, state), folder, self.space, export)
        stored: dict[str, Precision] = {file.name: precision for file in folder.iterdir()}
        return Bundle(folder, write_manifest(folder, self._manifest(name), stored))

    def _manifest(self, name: str) -> Manifest:
        return Manifest(
            name=f"bench-{name}",
            version="1",
            license="Apache-2.0",
            description="random weights, to measure with",
            sources=[Source(name="chance", license="CC0-1.0")],
            trained_on=[],
            limits=["It sees nothing."],
            space=SpaceEntry.of(self.space),
        )


@contextmanager
def made_tower(config: VideoConfig, device: str) -> Iterator[RandomTower]:
    """A tower whose files are deleted afterwards."""
    with TemporaryDirectory(prefix="watchword-bench-") as folder:
        yield RandomTower(config, device, Path(folder))


def product_tflops(device: str, side: int) -> float:
    """TFLOP/s of a product of two square bfloat16 matrices: the median of a second's."""
    import torch

    left, right = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    rates: list[float] = []
    ends = perf_counter() + _PRODUCT_SECONDS
    while not rates or perf_counter() < ends:
        began = perf_counter()
        products = 1 if device == "cpu" else 20
        for _ in range(products):
            made = torch.matmul(left, right)
        float(made[0, 0])  # waits for the device
        rates.append(products * 2 * side**3 / (perf_counter() - began) / 1e12)
    return median(rates)

from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.efficientnet import EfficientNetLite0, normalise
from encoder.training.clip_features import ClipComposer, FrameStore, clip_batch, compute_frames
from encoder.training.stages import FrameFeatures
from encoder.training.towers import FrameHead, MotionHead, TextHead, TowerSettings, VideoTower

SETTINGS = TowerSettings(dims=16, text_dims=12, hidden=24, heads=4, motion_dims=8, dropout=0.0)


@pytest.fixture(scope="module")
def tower() -> VideoTower:
    torch.manual_seed(0)
    motion = MotionHead(SETTINGS)
    torch.nn.init.normal_(motion.out[-1].weight, std=0.2)
    frames = FrameHead(SETTINGS, torch.randn(1000, 12))
    return VideoTower(EfficientNetLite0(), frames, motion, TextHead(SETTINGS)).eval()


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 64, 96, 3), np.uint8)


@pytest.fixture(scope="module")
def store(tower: VideoTower, pixels: np.ndarray, tmp_path_factory) -> FrameStore:
    module = FrameFeatures(tower.backbone, tower.frames, tower.text)
    return compute_frames(module, pixels, tmp_path_factory.mktemp("store"))


def test_composed_from_cached_frames_equals_the_whole_tower(
    tower: VideoTower, pixels: np.ndarray, store: FrameStore
) -> None:
    rows = np.array([[0, 1, 2, 3, 4, 5, 6, 7], [3, 3, 3, 3, 3, 3, 3, 3]], np.int32)
    with torch.no_grad():
        pictures = normalise(torch.from_numpy(pixels[rows].reshape(-1, 64, 96, 3)))
        whole = tower(pictures.reshape(2, 8, 3, 64, 96)).numpy()
        trained = clip_batch(store, tower.motion, rows).numpy()
    np.testing.assert_allclose(ClipComposer(store, tower.motion).vectors(rows), whole, atol=3e-3)
    np.testing.assert_allclose(trained, whole, atol=3e-3)


def test_features_are_computed_once(tower: VideoTower, pixels: np.ndarray, tmp_path: Path) -> None:
    module = FrameFeatures(tower.backbone, tower.frames, tower.text)
    first = compute_frames(module, pixels[:3], tmp_path)
    again = compute_frames(module, pixels[:3] * 0, tmp_path)  # read, not computed
    np.testing.assert_array_equal(first.vectors, again.vectors)
    np.testing.assert_array_equal(first.maps, again.maps)

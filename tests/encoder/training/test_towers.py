import pytest
import torch
from torch import Tensor

from encoder.efficientnet import EfficientNetLite0
from encoder.training.towers import (
    AttentionPool,
    FrameHead,
    MotionHead,
    TextHead,
    TowerSettings,
    VideoTower,
)

SETTINGS = TowerSettings(dims=16, text_dims=12, hidden=24, heads=4, motion_dims=8, dropout=0.0)


@pytest.fixture
def video() -> VideoTower:
    torch.manual_seed(0)
    text = TextHead(SETTINGS)
    frames = FrameHead(SETTINGS, torch.randn(1000, 12))
    return VideoTower(EfficientNetLite0(), frames, MotionHead(SETTINGS), text).eval()


def stir(motion: MotionHead) -> MotionHead:
    """Give the last layer, which starts at zero, something to say."""
    torch.nn.init.normal_(motion.out[-1].weight)
    return motion.eval()


def test_pooling_before_projecting_equals_projecting_every_place() -> None:
    torch.manual_seed(1)
    pool, x = AttentionPool(6, 8, 2), torch.randn(3, 5, 6)
    weight = pool.score(x).softmax(1)  # [B, N, heads]
    value = torch.einsum("bni,hid->bnhd", x, pool.value)
    slow = (weight[..., None] * value).sum(1).flatten(1) + pool.bias
    torch.testing.assert_close(pool(x), slow)


def test_masked_places_have_no_say() -> None:
    torch.manual_seed(1)
    pool, x = AttentionPool(6, 8, 2), torch.randn(1, 5, 6)
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]])
    torch.testing.assert_close(pool(x, mask), pool(x[:, :3]))


def test_text_does_not_depend_on_padding() -> None:
    torch.manual_seed(2)
    head, hidden = TextHead(SETTINGS), torch.randn(1, 4, 12)
    torch.nn.init.normal_(head.attend.value)
    padded = torch.cat([hidden, torch.randn(1, 3, 12)], dim=1)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0, 0]])
    torch.testing.assert_close(head(padded, mask)[0], head(hidden, torch.ones(1, 4))[0])


def test_training_begins_at_minilms_geometry() -> None:
    head, hidden = TextHead(SETTINGS), torch.randn(2, 4, 12)
    pooled, tokens = head(hidden, torch.ones(2, 4))
    wanted = torch.nn.functional.normalize(head.embed_mean(hidden.mean(1)), dim=-1)
    torch.testing.assert_close(pooled, wanted)
    assert tokens.shape == (2, 4, 16)


def test_the_motion_head_starts_silent() -> None:
    assert not MotionHead(SETTINGS)(torch.randn(2, 8, 320, 3, 5)).any()


def test_a_clip_in_which_nothing_moves_says_the_same_whatever_it_shows() -> None:
    motion = stir(MotionHead(SETTINGS))
    stills = torch.randn(2, 1, 320, 3, 5).expand(2, 8, 320, 3, 5)
    first, second = motion(stills)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)


def test_motion_hears_the_direction_of_time() -> None:
    torch.manual_seed(3)
    motion, maps = stir(MotionHead(SETTINGS)), torch.randn(1, 8, 320, 3, 5)
    assert (motion(maps) - motion(maps.flip(1))).abs().max() > 1e-3


def test_the_tower_takes_any_shape_of_picture_and_returns_unit_vectors(video: VideoTower) -> None:
    for height, width in ((64, 64), (96, 160)):
        vectors: Tensor = video(torch.randn(2, 8, 3, height, width))
        assert vectors.shape == (2, 16)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


def test_a_clip_does_not_depend_on_its_batch(video: VideoTower) -> None:
    clips = torch.randn(3, 8, 3, 64, 64)
    torch.testing.assert_close(video(clips)[1:2], video(clips[1:2]), atol=1e-5, rtol=1e-4)

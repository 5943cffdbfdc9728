"""Networks for tests: the official ones with the golden recipe's weights, and small live ones."""

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from grounding.sgdetr.weights import CELL_ANCHORS

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / os.environ.get("WATCHWORD_SHARED", "../shared") / "golden"

EMBEDDINGS = ("modality_embeddings", "position_embeddings", "_rep_token", "_rep_pos", "cls_q")
# First matching rule of the golden README, section 1: (does it apply, mean, spread).
RULES: tuple[tuple[Callable[[str, tuple[int, ...]], bool], float, float], ...] = (
    (lambda key, _: key.endswith("local_saliency_head.temp"), 3.0, 0.1),
    (lambda key, _: key.endswith(".scale"), 1.0, 0.1),
    (lambda key, _: key.endswith("ffn.mapping.1.weight"), 0.25, 0.05),
    (lambda key, _: any(word in key for word in (*EMBEDDINGS, "a_param")), 0.0, 0.02),
    (lambda key, shape: key.endswith(".weight") and len(shape) == 1, 1.0, 0.1),
)


def normal(key: str, shape: tuple[int, ...]) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    return np.asarray(np.random.Generator(np.random.PCG64(seed)).standard_normal(shape))


def recipe_weight(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The golden recipe's tensor for an official key (with `model.`)."""
    draw = normal(key, shape)
    for applies, mean, spread in RULES:
        if applies(key, shape):
            return np.asarray(mean + spread * draw, np.float32)
    fan_in = math.prod(shape[1:])
    return np.asarray(draw / math.sqrt(fan_in) if len(shape) >= 2 else 0.02 * draw, np.float32)


def recipe_state(model: SGDETR) -> dict[str, Tensor]:
    """A state dict with official keys: recipe weights, cell anchors as they are."""
    return {
        f"model.{key}": value
        if key.startswith(CELL_ANCHORS)
        else torch.from_numpy(recipe_weight(f"model.{key}", value.shape))
        for key, value in model.state_dict().items()
    }


def with_recipe(config: SGDETRConfig) -> SGDETR:
    model = SGDETR(config)
    state = {key.removeprefix("model."): value for key, value in recipe_state(model).items()}
    model.load_state_dict(state)
    return model.eval()


def without_dropout(config: SGDETRConfig) -> SGDETRConfig:
    return replace(config, dropout=0.0, drop_path=0.0, projection_dropout=0.0, pooling_dropout=0.0)


def small(config: SGDETRConfig) -> SGDETRConfig:
    """The same variant with few and narrow layers."""
    return replace(
        config,
        width=32,
        heads=4,
        ffn_width=48,
        video_features=24,
        text_features=20,
        encoder_layers=1,
        decoder_layers=2,
        cross_layers=1,
        pooling_layers=2,
        tower_layers=1,
    )


def random_inputs(
    config: SGDETRConfig, batch: int, clips: int, tokens: int, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Video [B, L, Dv], its mask, text [B, N, Dt], its mask; nothing masked."""
    draw = torch.Generator().manual_seed(seed)
    video = torch.randn(batch, clips, config.video_dims, generator=draw)
    text = torch.randn(batch, tokens, config.text_features, generator=draw)
    return video, torch.ones(batch, clips), text, torch.ones(batch, tokens)


def in_order(samples: int, positions: int) -> Tensor:
    """The golden files' choice of collaborative negatives: the first in position order."""
    return (torch.arange(positions) / positions).expand(samples, positions)

"""Checkpoints of the official layout at reduced size, their weights by the golden recipe."""

import hashlib
import math
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / os.environ.get("WATCHWORD_SHARED", "../shared") / "golden"
TABLES = (
    "position_embeddings",
    "word_embeddings",
    "token_type_embeddings",
    "embedding_layer",
    "cls_token",
    "pos_embed",
)


def normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.asarray(np.random.Generator(np.random.PCG64(seed)).standard_normal(shape))


def weight(key: str, shape: tuple[int, ...]) -> Tensor:
    """The recipe of the golden README, section 1."""
    draw = normal(key, shape)
    if key == "temp":
        value = 0.07 + 0.01 * draw
    elif key.endswith(".gamma"):
        value = 0.5 + 0.1 * draw
    elif any(table in key for table in TABLES):
        value = 0.02 * draw
    elif key.endswith(".weight") and len(shape) == 1:
        value = 1.0 + 0.1 * draw
    elif len(shape) >= 2:
        value = draw / math.sqrt(math.prod(shape[1:]))
    else:
        value = 0.02 * draw
    return torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))


def listed(name: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """A golden list of keys: shape and `use` or `drop` of each."""
    rows = [line.split("\t") for line in (GOLDEN / name).read_text().splitlines()]
    return {
        key: (() if shape == "scalar" else tuple(map(int, shape.split(","))), use)
        for key, shape, _, use in rows
        if use in ("use", "drop")
    }


def stage2_state() -> dict[str, Tensor]:
    """The Stage 2 checkpoint of the golden files."""
    keys = listed("iv2_stage2_keys.tsv")
    filled = {key: shape for key, (shape, _) in keys.items() if not key.endswith("position_ids")}
    state = {key: weight(key, shape) for key, shape in filled.items()}
    words = state["text_encoder.bert.embeddings.word_embeddings.weight"]
    state["text_encoder.cls.predictions.decoder.weight"] = words
    places = torch.arange(512)[None]
    return state | {key: places for key in keys if key.endswith("position_ids")}


def mobileclip_state(
    width: int = 64, layers: int = 2, hidden: int = 96, words: int = 600, joint: int = 64
) -> dict[str, Tensor]:
    """MobileCLIP's file at a reduced size, with something of its picture tower."""
    shapes: dict[str, tuple[int, ...]] = {
        "text_encoder.embedding_layer.weight": (words, width),
        "text_encoder.positional_embedding.pos_embed.pos_embed": (1, 1, 77, width),
        "text_encoder.final_layer_norm.weight": (width,),
        "text_encoder.final_layer_norm.bias": (width,),
        "text_encoder.projection_layer": (width, joint),
        "image_encoder.model.stem.0.weight": (8, 3, 3, 3),
        "logit_scale": (),
    }
    for layer in range(layers):
        block = f"text_encoder.transformer.{layer}."
        shapes |= {
            f"{block}pre_norm_mha.1.qkv_proj.weight": (3 * width, width),
            f"{block}pre_norm_mha.1.qkv_proj.bias": (3 * width,),
            f"{block}pre_norm_mha.1.out_proj.weight": (width, width),
            f"{block}pre_norm_mha.1.out_proj.bias": (width,),
            f"{block}pre_norm_ffn.1.weight": (hidden, width),
            f"{block}pre_norm_ffn.1.bias": (hidden,),
            f"{block}pre_norm_ffn.4.weight": (width, hidden),
            f"{block}pre_norm_ffn.4.bias": (width,),
        }
        for norm in ("pre_norm_mha.0", "pre_norm_ffn.0"):
            shapes |= {f"{block}{norm}.weight": (width,), f"{block}{norm}.bias": (width,)}
    return {key: weight(key, shape) for key, shape in shapes.items()}

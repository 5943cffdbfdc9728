"""Weights with official names, loaded strictly (`encoder.checkpoint` reads them from files)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from grounding.errors import WeightsError
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR

PREFIX = "model."  # of every key in an official checkpoint
CELL_ANCHORS = "aux_det_head.anchor_generator.cell_anchors."  # compared with ours, not loaded
TRAINING_ONLY = (
    "sent_encoder.",
    "moment_encoder.",
    "txt_position_embed.",
    "main_det_head.co_mapper.",
)

State = Mapping[str, Tensor]


def variant_of(state: State, preset: SGDETRConfig) -> SGDETRConfig:
    """`preset` with what a state dict's keys and shapes decide: sizes, pooling layers, selector."""
    state = without_prefix(state)
    try:
        video = state["input_vid_proj.linear_mapper.0.mapper.2.weight"].shape[1]
        text = state["input_txt_proj.linear_mapper.0.mapper.2.weight"].shape[1]
    except KeyError as error:
        raise WeightsError(f"no tensor {error} in the weights: this is not an SG-DETR") from error
    pooling = "local_saliency_head.sentence_pooling.layers."
    layers = {key[len(pooling) :].split(".")[0] for key in state if key.startswith(pooling)}
    return replace(
        preset,
        video_features=video - 2 * preset.end_points,
        text_features=text,
        pooling_layers=len(layers),
        selector=any(key.startswith("query_selector.") for key in state),
    )


def load_official(model: SGDETR, state: State, inference: bool = False) -> None:
    """Load a state dict with official names (with or without `model.`) into `model`.

    With `inference` the tensors that only train may be missing. Cell anchors are compared with
    ours instead of loaded. Raises WeightsError that names every missing, unknown or misshapen
    tensor; `model` is then unchanged.
    """
    state = without_prefix(state)
    own = model.state_dict()
    optional = {key for key in own if inference and key.startswith(TRAINING_ONLY)}
    problems = _differences(own, state, optional)
    if problems:
        raise WeightsError("the weights do not fit this network: " + "; ".join(problems))
    given = {key: value for key, value in state.items() if not key.startswith(CELL_ANCHORS)}
    model.load_state_dict(given, strict=False)


def inference_keys(keys: Iterable[str]) -> list[str]:
    """Those `keys` (without `model.`) that inference needs."""
    return [key for key in keys if not key.startswith(TRAINING_ONLY)]


def without_prefix(state: State) -> dict[str, Tensor]:
    """Keys without `model.`, if all have it."""
    if state and all(key.startswith(PREFIX) for key in state):
        return {key.removeprefix(PREFIX): value for key, value in state.items()}
    return dict(state)


def _differences(own: State, state: State, optional: set[str]) -> list[str]:
    """A sentence part for each kind of difference."""
    problems = []
    missing = sorted(own.keys() - state.keys() - optional)
    if missing:
        problems.append(f"missing {_listed(missing)}")
    unknown = sorted(state.keys() - own.keys())
    if unknown:
        problems.append(f"unknown {_listed(unknown)}")
    for key in sorted(own.keys() & state.keys()):
        if own[key].shape != state[key].shape:
            ours, theirs = list(own[key].shape), list(state[key].shape)
            problems.append(f"{key} has shape {theirs}, not {ours}")
        elif not state[key].is_floating_point():
            problems.append(f"{key} holds {state[key].dtype}, not fractions")
        elif key.startswith(CELL_ANCHORS) and not torch.equal(own[key], state[key].to(own[key])):
            problems.append(f"{key} holds {state[key].tolist()}, not {own[key].tolist()}")
    return problems


def _listed(keys: list[str], most: int = 5) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more

"""Weights from official checkpoints: read without running their pickled code, loaded strictly."""

import pickle
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

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


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The `state_dict` of a Lightning checkpoint, tensors only.

    The official files also pickle classes of their own code base; those become empty objects, and
    no function but torch's tensor builders is ever called.
    Raises WeightsError if the file is not such a checkpoint.
    """
    reader = ModuleType("tensors_only")
    reader.Unpickler = _TensorsOnly  # type: ignore[attr-defined]
    reader.load = pickle.load  # type: ignore[attr-defined]
    try:
        content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable checkpoint: {error}") from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise WeightsError(f"{path} holds no `state_dict`: give a Lightning checkpoint of SG-DETR")
    return {key: value for key, value in state.items() if isinstance(value, Tensor)}


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
        elif key.startswith(CELL_ANCHORS) and not torch.equal(own[key], state[key].to(own[key])):
            problems.append(f"{key} holds {state[key].tolist()}, not {own[key].tolist()}")
    return problems


def _listed(keys: list[str], most: int = 5) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more


class _Opaque:
    """Stands for any object of a checkpoint that is not a tensor."""

    def __new__(cls, *_args: object, **_options: object) -> "_Opaque":
        return super().__new__(cls)

    def __init__(self, *_args: object, **_options: object) -> None: ...

    def __call__(self, *_args: object, **_options: object) -> "_Opaque":
        return self

    def __setstate__(self, _state: object) -> None: ...

    def __setitem__(self, _key: object, _value: object) -> None: ...

    def append(self, _item: object) -> None: ...

    def extend(self, _items: object) -> None: ...


class _TensorsOnly(pickle.Unpickler):
    """Finds torch's tensor builders and plain containers; everything else is opaque."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch", "Size"): torch.Size,
            ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
            ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        }
        return allowed.get((module, name), _Opaque)

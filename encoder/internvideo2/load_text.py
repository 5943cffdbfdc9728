"""Official text weights into the text towers: strict, with a list of what may be left out."""

import re
from collections.abc import Iterable, Mapping, Set
from typing import Literal

import torch
from torch import Tensor, nn

from encoder.bert import BertConfig, own_name
from encoder.errors import CheckpointError
from encoder.internvideo2.bert import Stage2Text
from encoder.internvideo2.load import DROPPED
from encoder.internvideo2.load_report import LoadReport
from encoder.internvideo2.mobileclip import MobileClipConfig, MobileClipText

State = Mapping[str, Tensor]
TextKind = Literal["stage2", "mobileclip"]

HEAD_DIMS = 64  # of both towers as published; no tensor's shape tells the number of heads
BERT = "text_encoder.bert."
POSITION_IDS = f"{BERT}embeddings.position_ids"  # a constant, compared with ours
MOBILECLIP = "text_encoder."
# What else official files hold: other towers, beside the heads that only train or rank again
OTHER = ("vision_encoder.", "vision_proj.", "vision_align.", "image_encoder.")
SCALARS = frozenset({"temp", "logit_scale", "logit_bias"})
_LAYER = re.compile(r"text_encoder\.bert\.encoder\.layer\.(\d+)\.(.+)")
_LISTED = 5


def text_kind(state: State) -> TextKind:
    """Which text tower a checkpoint holds; raises CheckpointError if none."""
    if f"{BERT}embeddings.word_embeddings.weight" in state:
        return "stage2"
    if f"{MOBILECLIP}embedding_layer.weight" in state:
        return "mobileclip"
    raise CheckpointError(
        "the checkpoint holds no text tower, neither Stage 2's (text_encoder.bert...) nor"
        " MobileCLIP's (text_encoder.embedding_layer...): name one that does with --text"
    )


def load_text(state: State, heads: int | None = None) -> tuple[nn.Module, LoadReport]:
    """The text tower of an official checkpoint in float32, in evaluation mode, and what it took.

    Tensors of other towers are among those dropped. `heads` is for reduced sizes, where a head is
    not 64 wide. Raises CheckpointError that names every missing, unknown or misshapen tensor.
    """
    if text_kind(state) == "stage2":
        return _load_stage2(state, heads)
    return _load_mobileclip(state, heads)


def _load_stage2(state: State, heads: int | None) -> tuple[nn.Module, LoadReport]:
    if "text_proj.weight" not in state:
        raise CheckpointError(
            "the checkpoint has no text_proj.weight: without its projection a text has no vector"
            " in the space of the videos; take the whole Stage 2 checkpoint"
        )
    layers = _text_layers(state)
    kept = [key for key in state if _used_by_stage2(key, layers)]
    _refuse_unknown(state, kept, (*OTHER, BERT, "text_encoder.cls."))
    words = _shape(state, f"{BERT}embeddings.word_embeddings.weight")
    width = words[1]
    config = BertConfig(
        width=width,
        layers=layers,
        heads=heads or max(1, width // HEAD_DIMS),
        hidden=_shape(state, f"{BERT}encoder.layer.0.intermediate.dense.weight")[0],
        words=words[0],
        positions=_shape(state, f"{BERT}embeddings.position_embeddings.weight")[0],
    )
    with torch.device("meta"):
        tower = Stage2Text(config, _shape(state, "text_proj.weight")[0])
    _check_positions(state, config.positions)
    names = {key: _stage2_name(key) for key in kept if key != POSITION_IDS}
    return tower, _fill(tower, state, names, checked=frozenset({POSITION_IDS}))


def _check_positions(state: State, positions: int) -> None:
    """A token's position is its place here: a table that says otherwise is refused."""
    ids = state.get(POSITION_IDS)
    if ids is not None and not torch.equal(ids.flatten().long(), torch.arange(positions)):
        raise CheckpointError(
            f"{POSITION_IDS} does not count from 0 to {positions - 1}: this is no plain BERT"
        )


def _text_layers(state: State) -> int:
    """Layers of the text mode: those before the first that also attends to video."""
    found = [match for key in state if (match := _LAYER.fullmatch(key))]
    crossing = [int(m[1]) for m in found if m[2].startswith("crossattention.")]
    return min(crossing, default=1 + max((int(m[1]) for m in found), default=0))


def _used_by_stage2(key: str, layers: int) -> bool:
    if layer := _LAYER.fullmatch(key):
        return int(layer[1]) < layers
    return key.startswith((BERT, "text_proj.")) and not key.startswith(f"{BERT}pooler.")


def _stage2_name(key: str) -> str:
    return f"bert.{own_name(key.removeprefix(BERT))}" if key.startswith(BERT) else key


def _load_mobileclip(state: State, heads: int | None) -> tuple[nn.Module, LoadReport]:
    kept = [key for key in state if key.startswith(MOBILECLIP)]
    _refuse_unknown(state, kept, OTHER)
    words, width = _shape(state, f"{MOBILECLIP}embedding_layer.weight")
    inner = [key.split(".")[2] for key in kept if key.startswith(f"{MOBILECLIP}transformer.")]
    config = MobileClipConfig(
        width=width,
        layers=1 + max((int(layer) for layer in inner if layer.isdigit()), default=0),
        heads=heads or max(1, width // HEAD_DIMS),
        hidden=_shape(state, f"{MOBILECLIP}transformer.0.pre_norm_ffn.1.weight")[0],
        words=words,
        positions=_shape(state, f"{MOBILECLIP}positional_embedding.pos_embed.pos_embed")[2],
        joint=_shape(state, f"{MOBILECLIP}projection_layer")[1],
    )
    with torch.device("meta"):
        tower = MobileClipText(config)
    return tower, _fill(tower, state, {key: key.removeprefix(MOBILECLIP) for key in kept})


def _shape(state: State, key: str) -> tuple[int, ...]:
    if key not in state:
        raise CheckpointError(f"the checkpoint lacks {key}: is it whole, and an official one?")
    return tuple(state[key].shape)


def _fill(
    tower: nn.Module, state: State, names: Mapping[str, str], checked: Set[str] = frozenset()
) -> LoadReport:
    """Put the tensors of `names` (official -> own) into a tower on the meta device.

    Tensors in `checked` were compared with what the tower has built in: they count as loaded.
    """
    own = tower.state_dict()
    given = {mine: state[official] for official, mine in names.items()}
    problems = [f"missing {_listed(missing)}"] if (missing := sorted(own.keys() - given)) else []
    if unknown := sorted(key for key, mine in names.items() if mine not in own):
        problems.append(f"unknown {_listed(unknown)}")
    for official, mine in names.items():
        if mine in own and own[mine].shape != given[mine].shape:
            theirs, ours = list(given[mine].shape), list(own[mine].shape)
            problems.append(f"{official} has shape {theirs}, not {ours}")
    if problems:
        raise CheckpointError("the checkpoint's text tower does not fit: " + "; ".join(problems))
    if broken := sorted(k for k in names if not torch.isfinite(state[k]).all()):
        raise CheckpointError(
            f"the checkpoint's {_listed(broken)} holds NaN or infinity: fetch it again"
        )
    tower.load_state_dict({mine: value.float() for mine, value in given.items()}, assign=True)
    tower.eval().requires_grad_(False)
    taken = names.keys() | checked
    return LoadReport(
        loaded=tuple(key for key in state if key in taken),
        dropped=tuple(key for key in state if key not in taken),
    )


def _refuse_unknown(state: State, kept: Iterable[str], droppable: tuple[str, ...]) -> None:
    known = SCALARS.union(kept)
    unknown = [
        key
        for key in state
        if key not in known and not key.startswith(droppable) and not DROPPED.match(key)
    ]
    if unknown:
        raise CheckpointError(
            f"the checkpoint holds tensors of no InternVideo2 that is known: {_listed(unknown)}"
        )


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return ", ".join(keys[:_LISTED]) + more

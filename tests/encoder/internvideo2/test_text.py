"""The text towers against the golden figures, and against a twin made of plain loops."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from encoder.errors import CheckpointError
from encoder.internvideo2.load_text import POSITION_IDS, load_text, text_kind
from encoder.internvideo2.mobileclip import MobileClipConfig, MobileClipText
from tests.encoder.internvideo2.official import GOLDEN, listed, mobileclip_state, stage2_state

golden = pytest.mark.skipif(
    not (GOLDEN / "iv2_stage2_text.npz").exists(), reason="golden figures are not here"
)
HEADS = 4  # of the golden BERT: 16 wide each


@golden
@torch.no_grad()
def test_stage_2_reads_texts_as_the_official_code_does() -> None:
    arrays = np.load(GOLDEN / "iv2_stage2_text.npz")
    tower, _ = load_text(stage2_state(), HEADS)
    ids, mask = (torch.from_numpy(arrays[name]) for name in ("ids", "mask"))
    pooled, tokens = tower(ids, mask)
    np.testing.assert_allclose(pooled, arrays["embedding"], rtol=0, atol=1e-5)
    real = arrays["mask"] > 0
    np.testing.assert_allclose(
        tokens.numpy()[real], arrays["tokens_projected"][real], rtol=0, atol=1e-5
    )
    hidden = tower.bert(ids, mask).numpy()
    np.testing.assert_allclose(hidden[real], arrays["hidden"][real], rtol=0, atol=1e-5)


@golden
def test_stage_2_takes_and_leaves_exactly_what_the_list_says() -> None:
    _, report = load_text(stage2_state(), HEADS)
    text = ("text_encoder.", "text_proj.", "itm_head.")
    keys = {key: use for key, (_, use) in listed("iv2_stage2_keys.tsv").items()}
    wanted = {key for key, use in keys.items() if key.startswith(text) and use == "use"}
    assert set(report.loaded) == wanted
    assert len(report.loaded) == len(wanted)
    assert set(report.dropped) == keys.keys() - wanted
    assert report.interpolated == ()


@golden
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"text_proj.bias": None}, r"missing text_proj\.bias"),
        ({"text_proj.weight": None}, "no vector in the space of the videos"),
        (
            {"text_encoder.bert.encoder.layer.1.output.dense.bias": None},
            r"missing bert\.blocks\.1\.narrow\.bias",
        ),
        (
            {"text_encoder.bert.encoder.layer.1.output.dense.bias": torch.zeros(3)},
            r"layer\.1\.output\.dense\.bias has shape \[3\], not \[64\]",
        ),
        (
            {"text_encoder.bert.encoder.layer.1.adapter.weight": torch.zeros(3)},
            r"unknown text_encoder\.bert\.encoder\.layer\.1\.adapter",
        ),
        ({"lora.weight": torch.zeros(3)}, r"of no InternVideo2 that is known: lora\.weight"),
        ({"temperature": torch.zeros(3)}, "that is known: temperature"),
        ({POSITION_IDS: torch.arange(512).flip(0)}, "does not count from 0 to 511"),
    ],
)
def test_stage_2_refuses_what_does_not_fit(change: dict[str, Tensor], sentence: str) -> None:
    state = {key: value for key, value in (stage2_state() | change).items() if value is not None}
    with pytest.raises(CheckpointError, match=sentence):
        load_text(state, HEADS)


def test_a_file_without_text_tower_is_named() -> None:
    with pytest.raises(CheckpointError, match="no text tower"):
        text_kind({"vision_encoder.cls_token": torch.zeros(1)})


@torch.no_grad()
def test_mobileclip_agrees_with_plain_loops() -> None:
    state = mobileclip_state()
    tower, report = load_text(state, heads=4)
    assert set(report.dropped) == {"image_encoder.model.stem.0.weight", "logit_scale"}
    ids = torch.tensor([[510, 4, 77, 201, 599, 0, 0], [510, 9, 9, 31, 5, 8, 599]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]])
    pooled, tokens = tower(ids, mask)
    for row, length in enumerate([5, 7]):
        wanted = twin(state, ids[row, :length], heads=4)
        torch.testing.assert_close(tokens[row, :length], wanted, atol=1e-5, rtol=0)
        end = wanted[int(ids[row, :length].argmax())]
        torch.testing.assert_close(pooled[row], end / end.norm(), atol=1e-5, rtol=0)


def twin(state: dict[str, Tensor], ids: Tensor, heads: int) -> Tensor:
    """Projected tokens [N, D] of one text: a token at a time, a head at a time, in float64."""
    part = {k.removeprefix("text_encoder."): v.double() for k, v in state.items()}
    table = part["positional_embedding.pos_embed.pos_embed"][0, 0]
    x = [part["embedding_layer.weight"][i] + table[n] for n, i in enumerate(ids.tolist())]
    layer = 0
    while f"transformer.{layer}.pre_norm_mha.0.weight" in part:
        at = f"transformer.{layer}."
        normed = [norm(part, f"{at}pre_norm_mha.0", token) for token in x]
        mixed = attend(part, f"{at}pre_norm_mha.1", normed, heads)
        x = [token + more for token, more in zip(x, mixed, strict=True)]
        for n, token in enumerate(x):
            wide = linear(part, f"{at}pre_norm_ffn.1", norm(part, f"{at}pre_norm_ffn.0", token))
            wide = wide * 0.5 * (1 + torch.erf(wide / math.sqrt(2)))
            x[n] = token + linear(part, f"{at}pre_norm_ffn.4", wide)
        layer += 1
    final = torch.stack([norm(part, "final_layer_norm", token) for token in x])
    return (final @ part["projection_layer"]).float()


def attend(part: dict[str, Tensor], at: str, x: list[Tensor], heads: int) -> list[Tensor]:
    """Each token looks at itself and those before it."""
    width = len(x[0])
    size = width // heads
    qkv = [linear(part, f"{at}.qkv_proj", token) for token in x]
    out = []
    for n in range(len(x)):
        heard = []
        for head in range(heads):
            rows = slice(head * size, (head + 1) * size)
            query = qkv[n][:width][rows]
            keys = torch.stack([qkv[m][width : 2 * width][rows] for m in range(n + 1)])
            values = torch.stack([qkv[m][2 * width :][rows] for m in range(n + 1)])
            heard.append((keys @ query / math.sqrt(size)).softmax(0) @ values)
        out.append(linear(part, f"{at}.out_proj", torch.cat(heard)))
    return out


def norm(part: dict[str, Tensor], at: str, x: Tensor) -> Tensor:
    centred = x - x.mean()
    scaled = centred / torch.sqrt((centred**2).mean() + 1e-5)
    return scaled * part[f"{at}.weight"] + part[f"{at}.bias"]


def linear(part: dict[str, Tensor], at: str, x: Tensor) -> Tensor:
    return part[f"{at}.weight"] @ x + part[f"{at}.bias"]


def test_mobileclip_has_the_published_size() -> None:
    with torch.device("meta"):
        tower = MobileClipText(MobileClipConfig())
    assert sum(each.numel() for each in tower.parameters()) == 63_428_096
    assert len(tower.state_dict()) == 149


def test_mobileclip_refuses_what_does_not_fit() -> None:
    state = mobileclip_state()
    del state["text_encoder.projection_layer"]
    with pytest.raises(CheckpointError, match=r"lacks text_encoder\.projection_layer"):
        load_text(state)
    state = mobileclip_state() | {"text_encoder.transformer.1.extra.weight": torch.zeros(2)}
    with pytest.raises(CheckpointError, match=r"unknown text_encoder\.transformer\.1\.extra"):
        load_text(state)

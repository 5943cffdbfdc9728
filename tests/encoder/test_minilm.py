import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from encoder.bert import Block
from encoder.minilm import CONFIG, MiniLM, mean_pool

WIDTH, HEADS = CONFIG.width, CONFIG.heads

OUTER = {
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "types": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
}
INNER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "merge": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "output_norm": "output.LayerNorm",
}


@pytest.fixture(scope="module")
def model() -> MiniLM:
    torch.manual_seed(0)
    return MiniLM().eval()


def published(model: MiniLM) -> dict[str, torch.Tensor]:
    """The model's state under BERT's names, with the parts of BERT that are not used here."""
    state = {
        "pooler.dense.weight": torch.zeros(WIDTH, WIDTH),
        "embeddings.position_ids": torch.arange(512)[None],
    }
    for name, tensor in model.state_dict().items():
        module, leaf = name.rsplit(".", 1)
        if module in OUTER:
            state[f"{OUTER[module]}.{leaf}"] = tensor
        else:
            _, layer, part = module.split(".")
            state[f"encoder.layer.{layer}.{INNER[part]}.{leaf}"] = tensor
    return state


def test_published_names_are_understood_and_strict(model: MiniLM) -> None:
    state = published(model)
    other = MiniLM()
    other.load_official(state)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor)
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_official({k: v for k, v in state.items() if "layer.5" not in k})
    with pytest.raises(RuntimeError, match="Unexpected"):
        other.load_official(state | {"encoder.layer.0.crossattention.bias": torch.zeros(1)})


def test_it_has_the_published_size(model: MiniLM) -> None:
    pooler = WIDTH * WIDTH + WIDTH
    assert sum(p.numel() for p in model.parameters()) + pooler == 22_713_216


@torch.no_grad()
def test_a_block_is_torchs_own_bert_layer() -> None:
    block = Block(CONFIG).eval()
    theirs = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 1536, dropout=0, activation="gelu", layer_norm_eps=1e-12, batch_first=True
    ).eval()
    attention = theirs.self_attn
    attention.in_proj_weight.copy_(
        torch.cat([block.query.weight, block.key.weight, block.value.weight])
    )
    attention.in_proj_bias.copy_(torch.cat([block.query.bias, block.key.bias, block.value.bias]))
    attention.out_proj.load_state_dict(block.merge.state_dict())
    theirs.linear1.load_state_dict(block.widen.state_dict())
    theirs.linear2.load_state_dict(block.narrow.state_dict())
    x = torch.randn(2, 7, WIDTH)
    absent = torch.tensor([[False] * 7, [False] * 4 + [True] * 3])
    bias = absent.float()[:, None, None] * -1e9
    wanted = theirs(x, src_key_padding_mask=absent)
    torch.testing.assert_close(block(x, bias)[~absent], wanted[~absent], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@settings(max_examples=4)
@given(tokens=st.integers(1, 12), padding=st.integers(1, 6))
def test_padding_changes_nothing(model: MiniLM, tokens: int, padding: int) -> None:
    ids = torch.randint(0, 30522, (1, tokens))
    mask = torch.ones_like(ids)
    alone = model(ids, mask)
    padded = model(F.pad(ids, (0, padding), value=7), F.pad(mask, (0, padding)))
    torch.testing.assert_close(padded[:, :tokens], alone, atol=1e-5, rtol=1e-5)
    pooled = mean_pool(padded, F.pad(mask, (0, padding)))
    torch.testing.assert_close(pooled, mean_pool(alone, mask), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pooled.norm(dim=1), torch.ones(1))


@torch.no_grad()
def test_a_row_without_tokens_is_no_nan(model: MiniLM) -> None:
    nothing = torch.zeros(1, 4, dtype=torch.int64)
    assert torch.isfinite(mean_pool(model(nothing, nothing), nothing)).all()

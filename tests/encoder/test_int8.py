import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from encoder.int8 import GROUP, Int8Embedding, Int8Linear, quantise, round_to_int8
from encoder.minilm import MiniLM, mean_pool


@settings(max_examples=30)
@given(
    rows=st.integers(1, 5),
    groups=st.integers(1, 4),
    size=st.floats(1e-3, 1e2),
    seed=st.integers(0, 999),
)
def test_no_weight_moves_by_more_than_half_a_step(rows, groups, size, seed) -> None:
    weight = torch.randn(rows, groups * GROUP, generator=torch.Generator().manual_seed(seed)) * size
    values, scale = round_to_int8(weight)
    assert (values.dtype, scale.dtype) == (torch.int8, torch.float16)
    assert values.shape == (rows, groups, GROUP)
    assert scale.shape == (rows, groups, 1)
    restored = (values.float() * scale.float()).flatten(1)
    step = scale.float().expand(-1, -1, GROUP).flatten(1)
    # half a step of rounding, and the largest weights give way by the scale's own rounding
    assert ((restored - weight).abs() <= step * 0.5 + weight.abs() * 1e-3 + 1e-6).all()


def test_zero_weights_stay_zero() -> None:
    values, scale = round_to_int8(torch.zeros(2, GROUP))
    assert not (values.float() * scale.float()).any()
    assert torch.isfinite(scale).all()


def test_a_linear_map_and_an_embedding_stay_close() -> None:
    torch.manual_seed(0)
    linear, embedding = nn.Linear(64, 48), nn.Embedding(20, 64)
    x, ids = torch.randn(3, 5, 64), torch.randint(0, 20, (3, 5))
    torch.testing.assert_close(Int8Linear(linear)(x), linear(x), atol=0.02, rtol=0)
    torch.testing.assert_close(Int8Embedding(embedding)(ids), embedding(ids), atol=0.02, rtol=0)
    assert Int8Linear(nn.Linear(32, 3, bias=False))(torch.zeros(1, 32)).eq(0).all()


def test_only_what_divides_into_groups_is_replaced() -> None:
    model = nn.Sequential(nn.Linear(64, 33), nn.Linear(33, 32), nn.Sequential(nn.Embedding(9, 32)))
    assert quantise(model) is model
    assert [type(module) for module in model[:2]] == [Int8Linear, nn.Linear]
    assert isinstance(model[2][0], Int8Embedding)
    assert [name for name, _ in model.named_parameters()] == ["1.weight", "1.bias"]


@torch.no_grad()
def test_minilm_keeps_its_directions() -> None:
    torch.manual_seed(0)
    model = MiniLM().eval()
    ids = torch.randint(0, 30522, (4, 9))
    mask = torch.ones_like(ids)
    wanted = mean_pool(model(ids, mask), mask)
    small = quantise(model)
    cosine = (mean_pool(small(ids, mask), mask) * wanted).sum(dim=1)
    assert cosine.min() > 0.999
    tensors = [*small.parameters(), *small.buffers()]
    assert sum(t.numel() * t.element_size() for t in tensors) == pytest.approx(24.07e6, rel=0.01)

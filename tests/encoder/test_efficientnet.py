import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from encoder.efficientnet import (
    STAGE_CHANNELS,
    STAGE_STRIDES,
    STAGES,
    ConvNorm,
    EfficientNetLite0,
    normalise,
)


@pytest.fixture(scope="module")
def model() -> EfficientNetLite0:
    torch.manual_seed(0)
    return EfficientNetLite0().eval()


def published_names(model: EfficientNetLite0) -> dict[str, torch.Tensor]:
    """The model's own state under the names of the published file, written down independently."""
    blocks = [(stage, j) for stage, n in enumerate((1, 2, 2, 3, 3, 4, 1), 1) for j in range(n)]
    parts = {
        "expand.conv": "_expand_conv",
        "expand.bn": "_bn0",
        "depthwise.conv": "_depthwise_conv",
        "depthwise.bn": "_bn1",
        "project.conv": "_project_conv",
        "project.bn": "_bn2",
    }
    state = {}
    for name, tensor in model.state_dict().items():
        if found := re.fullmatch(r"layers\.([1-7])\.(\d)\.(\w+\.\w+)\.(\w+)", name):
            block = blocks.index((int(found[1]), int(found[2])))
            name = f"_blocks.{block}.{parts[found[3]]}.{found[4]}"
        name = name.replace("layers.0.conv", "_conv_stem").replace("layers.0.bn", "_bn0")
        name = name.replace("layers.8.conv", "_conv_head").replace("layers.8.bn", "_bn1")
        state[name.replace("classifier", "_fc")] = tensor + 1
    return state


def test_it_has_the_published_size(model: EfficientNetLite0) -> None:
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_652_008
    assert len(model.state_dict()) == 296


def test_published_names_are_understood_and_strict(model: EfficientNetLite0) -> None:
    state = published_names(model)
    other = EfficientNetLite0()
    other.load_official(state)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor + 1)
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_official({k: v for k, v in state.items() if k != "_blocks.3._bn1.bias"})
    with pytest.raises(RuntimeError, match="Unexpected"):
        other.load_official(state | {"_blocks.16._bn1.bias": torch.zeros(1)})


@torch.no_grad()
def test_each_stage_has_its_channels_and_stride(model: EfficientNetLite0) -> None:
    x = torch.randn(1, 3, 64, 96)
    for stage in range(STAGES):
        x = model.stages(x, stage, stage)
        stride = STAGE_STRIDES[stage]
        assert x.shape == (1, STAGE_CHANNELS[stage], 64 // stride, 96 // stride)


@torch.no_grad()
@settings(max_examples=5)
@given(cut=st.integers(0, STAGES - 2), size=st.tuples(st.integers(33, 70), st.integers(33, 70)))
def test_a_cached_stage_continues_where_it_stopped(model, cut, size) -> None:
    x = torch.randn(1, 3, *size)
    head, logits = model(x)
    later = model.stages(model.stages(x, 0, cut), cut + 1)
    torch.testing.assert_close(later, head)
    torch.testing.assert_close(model.classify(later), logits)
    assert head.shape == (1, 1280, *(-(-side // 32) for side in size))
    assert logits.shape == (1, 1000)


def same_padding_reference(x: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's SAME convolution of one channel, from its definition."""
    kernel = weight.shape[0]
    out = [-(-side // stride) for side in x.shape]
    total = [max((o - 1) * stride + kernel - s, 0) for o, s in zip(out, x.shape, strict=True)]
    padded = np.pad(x, [(t // 2, t - t // 2) for t in total])
    made = np.empty(out, np.float32)
    for i in range(out[0]):
        for j in range(out[1]):
            patch = padded[i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            made[i, j] = (patch * weight).sum()
    return made


@torch.no_grad()
@settings(max_examples=20)
@given(
    kernel=st.sampled_from([3, 5]),
    stride=st.sampled_from([1, 2]),
    size=st.tuples(st.integers(5, 12), st.integers(5, 12)),
)
def test_padding_is_tensorflows(kernel: int, stride: int, size: tuple[int, int]) -> None:
    layer = ConvNorm(1, 1, kernel, stride, activate=False)
    layer.bn = nn.Identity()
    x = torch.randn(1, 1, *size)
    wanted = same_padding_reference(x[0, 0].numpy(), layer.conv.weight[0, 0].numpy(), stride)
    np.testing.assert_allclose(layer(x)[0, 0].numpy(), wanted, atol=1e-5)


def test_pixels_are_normalised_as_the_weights_were_fed() -> None:
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8).repeat(2, 4, 5, 1)
    made = normalise(pixels)
    assert made.shape == (2, 3, 4, 5)
    torch.testing.assert_close(made[0, :, 0, 0], torch.tensor([-127 / 128, 0, 1]))

from pathlib import Path

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoder.errors import ModelError
from encoder.export import TOLERANCE, export_text_tower, export_video_tower
from encoder.int8 import quantise
from encoder.minilm import MiniLM, mean_pool
from tests.encoder.models import SPACE

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's exporter warns about its own insides


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool, self.project = nn.Linear(384, 32), nn.Linear(384, 32)

    def forward(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return F.normalize(self.pool(mean_pool(hidden, mask)), dim=-1), self.project(hidden)


class Tower(nn.Module):
    """Convolution and batch norm over the frames, then their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, SPACE.dims, 3, 2, 1)
        self.bn = nn.BatchNorm2d(SPACE.dims)

    def forward(self, pixels: Tensor) -> Tensor:
        batch, frames = pixels.shape[:2]
        maps = self.bn(self.conv(pixels.flatten(0, 1)))
        pooled = maps.mean(dim=(2, 3)).reshape(batch, frames, -1).mean(dim=1)
        return F.normalize(pooled, dim=-1)


@pytest.fixture(scope="module")
def small_minilm() -> nn.Module:
    torch.manual_seed(0)
    model = MiniLM()
    model.blocks = model.blocks[:2]
    return quantise(model)


def test_the_text_tower_says_in_onnx_what_it_says_in_torch(
    small_minilm: nn.Module, tmp_path: Path
) -> None:
    made = export_text_tower(small_minilm, Head(), tmp_path / "text.onnx")
    assert made.largest_error is not None
    assert made.largest_error <= TOLERANCE
    assert made.bytes == made.path.stat().st_size
    graph = onnx.load(made.path).graph
    assert {each.name for each in graph.input} == {"input_ids", "attention_mask"}
    assert [each.name for each in graph.output] == ["pooled", "tokens"]
    # the int8 weights are stored as such, not unfolded into float32
    large = [each for each in graph.initializer if len(each.raw_data) > 100_000]
    assert {each.data_type for each in large} <= {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT16}
    assert (
        sum(each.data_type == onnx.TensorProto.INT8 for each in large) == 14
    )  # 2 blocks, 2 tables


def test_the_video_tower_normalises_for_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = export_video_tower(Tower(), tmp_path / "video.onnx", SPACE)
    assert made.largest_error is not None
    assert made.largest_error <= TOLERANCE
    graph = onnx.load(made.path).graph
    (frames,) = graph.input
    dims = [each.dim_value or each.dim_param for each in frames.type.tensor_type.shape.dim]
    assert dims == ["batch", SPACE.frames_per_clip, SPACE.height, SPACE.width, 3]
    assert frames.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [each.name for each in graph.output] == ["embedding"]


def test_an_export_that_differs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encoder.export.TOLERANCE", -1.0)
    with pytest.raises(ModelError, match=r"video\.onnx differs from its module"):
        export_video_tower(Tower(), tmp_path / "video.onnx", SPACE)

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from encoder import export
from encoder.export import TextRange, export_text
from encoder.internvideo2.load_text import load_text
from encoder.session import open_session
from tests.encoder.internvideo2.official import mobileclip_state

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's exporter warns about its own insides
RANGE = TextRange(words=600, tokens=77)


@pytest.fixture(scope="module")
def tower() -> nn.Module:
    return load_text(mobileclip_state(), heads=4)[0]


@pytest.mark.parametrize(("stored", "error"), [("fp32", 1e-5), ("fp16", 1e-2)])
def test_mobileclip_says_in_onnx_what_it_says_in_torch(
    tower: nn.Module, tmp_path: Path, stored: export.Stored, error: float
) -> None:
    made = export_text(tower, tmp_path / "text.onnx", RANGE, stored)
    assert made.largest_error < error
    session = open_session(made.path)
    session.require({"input_ids", "attention_mask"}, {"pooled", "tokens"})
    ids = torch.tensor([[510, 4, 77, 201, 599, 7, 7], [510, 9, 9, 31, 5, 8, 599]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]])
    got = session.run({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    with torch.no_grad():
        pooled, _ = tower(ids, mask)
    np.testing.assert_allclose(got["pooled"], pooled, atol=error)
    assert got["tokens"].shape == (2, 7, 64)


def test_weights_beyond_one_file_lie_beside_it(
    tower: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "EXTERNAL_FROM", 1000)
    made = export_text(tower, tmp_path / "text.onnx", RANGE, "fp32")
    assert made.largest_error < 1e-5
    assert (tmp_path / "text.onnx.data").stat().st_size > 100_000
    assert made.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    places = {
        entry.value
        for weight in onnx.load(made.path, load_external_data=False).graph.initializer
        for entry in weight.external_data
        if entry.key == "location"
    }
    assert places == {"text.onnx.data"}

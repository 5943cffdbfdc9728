import sys
from pathlib import Path

import numpy as np
import pytest

from encoder.bundle import Bundle
from encoder.errors import ModelError, RuntimeMissingError
from encoder.session import SessionOptions, choose_providers, open_session
from tests.encoder.models import SPACE, random_clips

ALL = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


def test_a_model_runs_by_name(bundle: Bundle) -> None:
    session = open_session(bundle.path("text"), SessionOptions(threads=1))
    ids = np.array([[2, 5, 3]])
    made = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    assert set(made) == {"pooled", "tokens"} == set(session.outputs)
    assert made["tokens"].shape == (1, 3, SPACE.dims)
    assert session.inputs["input_ids"] == ("batch", "tokens")
    assert session.providers[-1] == "CPUExecutionProvider"


def test_inputs_a_model_refuses_are_a_sentence(bundle: Bundle) -> None:
    session = open_session(bundle.path("video"))
    with pytest.raises(ModelError, match=r"video\.onnx refused its input"):
        session.run({"frames": random_clips(1).astype(np.float32)})
    with pytest.raises(ModelError, match="refused"):
        session.run({})


def test_a_file_that_is_no_model_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "video.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"cannot load .*video\.onnx"):
        open_session(path)
    with pytest.raises(ModelError, match=r"cannot load .*none\.onnx"):
        open_session(tmp_path / "none.onnx")


def test_other_names_than_the_agreed_ones_are_refused(bundle: Bundle) -> None:
    session = open_session(bundle.path("video"))
    session.require({"frames"}, {"embedding"})
    with pytest.raises(ModelError, match=r"inputs \['frames'\].*wanted are \['pixels'\]"):
        session.require({"pixels"}, {"embedding"})
    with pytest.raises(ModelError, match="wanted"):
        session.require({"frames"}, {"embedding", "saliency"})


@pytest.mark.parametrize(
    ("available", "options", "wanted"),
    [
        (ALL, SessionOptions(), ALL[1:]),
        (ALL, SessionOptions(tensorrt=True), ALL),
        (ALL, SessionOptions(device="cpu", tensorrt=True), ALL[2:]),
        (ALL[2:], SessionOptions(tensorrt=True), ALL[2:]),
        (["AzureExecutionProvider", *ALL[2:]], SessionOptions(), ALL[2:]),
    ],
)
def test_the_best_provider_there_is_comes_first(
    available: list[str], options: SessionOptions, wanted: list[str]
) -> None:
    assert choose_providers(available, options) == wanted


def test_without_the_runtime_it_says_what_to_install(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeMissingError, match=r"pip install 'watchword\[cpu\]'.*\[gpu\]"):
        open_session(bundle.path("video"))

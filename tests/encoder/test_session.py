import sys
from pathlib import Path

import numpy as np
import pytest

from encoder.bundle import Bundle
from encoder.errors import ModelError, RuntimeMissingError
from encoder.session import (
    CPU,
    CUDA,
    Plugged,
    Provider,
    SessionOptions,
    available_providers,
    choose_providers,
    onnxruntime_version,
    open_session,
    plugged_devices,
)
from tests.encoder.models import SPACE, random_clips

ALL = ["TensorrtExecutionProvider", CUDA, CPU]


def on_card(number: int) -> Provider:
    return (CUDA, {"device_id": str(number)})


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
        (ALL, SessionOptions(), [on_card(0), CPU]),
        (ALL, SessionOptions(device="cuda:2"), [on_card(2), CPU]),
        (ALL, SessionOptions(runtime="tensorrt"), [on_card(0), CPU]),
        (ALL, SessionOptions(device="cpu"), [CPU]),
        (ALL, SessionOptions(runtime="cpu"), [CPU]),
        (ALL[2:], SessionOptions(device="cuda"), [CPU]),
        (["AzureExecutionProvider", *ALL[2:]], SessionOptions(), [CPU]),
    ],
)
def test_the_best_provider_there_is_comes_first(
    available: list[str], options: SessionOptions, wanted: list[Provider]
) -> None:
    assert choose_providers(available, options) == wanted


def test_without_the_runtime_it_says_what_to_install(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeMissingError, match=r"pip install 'watchword\[cpu\]'.*\[gpu\]"):
        open_session(bundle.path("video"))


def test_the_runtime_here_tells_of_itself() -> None:
    assert CPU in available_providers()
    assert onnxruntime_version().count(".") == 2


def test_the_number_of_a_card() -> None:
    cards = [SessionOptions(device=device).card for device in ("auto", "cuda", "cuda:3")]
    assert cards == [0, 0, 3]


def test_devices_of_a_plugged_provider_are_what_the_model_is_opened_on(bundle: Bundle) -> None:
    devices = plugged_devices(CPU, Path("never-loaded-since-it-is-there.so"))
    assert [device.ep_name for device in devices] == [CPU]
    session = open_session(bundle.path("video"), SessionOptions(threads=1), Plugged(devices, {}))
    assert session.providers == (CPU,)


def test_a_provider_that_cannot_be_loaded_is_a_sentence(tmp_path: Path) -> None:
    library = tmp_path / "libnothing.so"
    library.write_bytes(b"no library")
    with pytest.raises(RuntimeMissingError, match=r"cannot load libnothing\.so"):
        plugged_devices("NothingExecutionProvider", library)


def test_an_older_onnx_runtime_takes_no_plugged_providers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import onnxruntime

    monkeypatch.delattr(onnxruntime, "register_execution_provider_library")
    with pytest.raises(RuntimeMissingError, match="pip install --upgrade onnxruntime"):
        plugged_devices("NothingExecutionProvider", Path("libnothing.so"))

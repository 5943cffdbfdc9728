import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from encoder import session as session_module
from encoder.bundle import Bundle
from encoder.errors import CardMemoryError, EngineError, ModelError, RuntimeMissingError
from encoder.session import (
    CPU,
    CUDA,
    Plugged,
    Provider,
    Session,
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


class InvalidArgument(Exception):
    """Called like ONNX Runtime's own: its classes are known by their names."""


class Fail(Exception):
    pass


def failing(error: Exception, *providers: str) -> Session:
    """A session whose every run raises."""

    def run(_outputs: object, _inputs: object) -> None:
        raise error

    inner = SimpleNamespace(
        get_inputs=lambda: (),
        get_outputs=lambda: (),
        get_providers=lambda: providers,
        run=run,
    )
    return Session(inner, Path("video.onnx"))


CUDA_FAILED = "CUDA failure 700: an illegal memory access was encountered ; GPU=0"
CUDA_FULL = "CUDA failure 2: out of memory ; GPU=0"
ARENA_FULL = (
    "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 9"
)


@pytest.mark.parametrize(
    ("error", "providers", "ours", "told"),
    [
        (InvalidArgument("Unexpected input data type"), (CUDA, CPU), ModelError, "refused its"),
        (ValueError("Required inputs are missing"), (CUDA, CPU), ModelError, "refused its input"),
        (Fail(CUDA_FAILED), (CUDA, CPU), EngineError, "CUDA fails at video.onnx .*700.*restart"),
        (Fail(CUDA_FULL), (CUDA, CPU), CardMemoryError, "no memory left .*encoder.batch"),
        (Fail(ARENA_FULL), (ALL[0], CUDA, CPU), CardMemoryError, "of size 9"),
        (Fail("a Reshape that does not fit"), (CPU,), ModelError, "refused its input"),
        (Fail("std::bad_alloc"), (CPU,), EngineError, "no memory left"),
        (MemoryError(), (CPU,), EngineError, "no memory left"),
    ],
)
def test_what_fails_is_another_error_than_what_is_refused(
    error: Exception, providers: tuple[str, ...], ours: type[Exception], told: str
) -> None:
    with pytest.raises(ours, match=told) as caught:
        failing(error, *providers).run({})
    assert type(caught.value) is ours
    assert caught.value.__cause__ is error


def test_onnx_runtime_calls_refused_inputs_by_that_name(bundle: Bundle) -> None:
    session = open_session(bundle.path("video"), SessionOptions(threads=1))
    with pytest.raises(ModelError) as caught:
        session.run({"frames": random_clips(1)[:, :1]})
    assert type(caught.value.__cause__).__name__ == "InvalidArgument"


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """An ONNX Runtime built for CUDA; `refusal` is what a session on the card raises."""
    import onnxruntime

    on_cpu = onnxruntime.InferenceSession
    said = SimpleNamespace(calls=[], refusal=None)

    def preload_dlls(**options: Any) -> None:
        said.calls.append(("preload", options))
        print("Failed to load libcudnn.so.9")  # noqa: T201 - as ONNX Runtime does

    def session(path: str, settings: Any, providers: list[Provider], **options: Any) -> Any:
        said.calls.append(("session", providers[0][0] if providers != [CPU] else CPU))
        if providers != [CPU] and said.refusal:
            raise said.refusal
        return on_cpu(path, settings, providers=[CPU], **options)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", preload_dlls)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    session_module._load_libraries.cache_clear()
    yield said
    session_module._load_libraries.cache_clear()


def test_the_cards_libraries_are_loaded_once_before_the_first_session_on_it(
    bundle: Bundle, card: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    open_session(bundle.path("video"), SessionOptions(device="cpu"))
    for _ in range(2):
        open_session(bundle.path("video"))
    preload = ("preload", {"directory": ""})
    assert card.calls == [("session", CPU), preload, ("session", CUDA), ("session", CUDA)]
    assert capsys.readouterr().out == ""


def test_an_onnx_runtime_that_loads_no_libraries_does_without(
    bundle: Bundle, card: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.delattr(onnxruntime, "preload_dlls")
    open_session(bundle.path("video"))
    assert card.calls == [("session", CUDA)]


def test_a_card_that_takes_no_model_is_told_and_the_cpu_takes_it(
    bundle: Bundle, card: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    card.refusal = RuntimeError("CUDA driver version is insufficient")
    session = open_session(bundle.path("text"), SessionOptions(threads=1))
    assert session.providers == (CPU,)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "text.onnx runs on the CPU" in record.getMessage()
    assert "driver version is insufficient" in record.getMessage()
    with pytest.raises(ModelError, match="driver version"):  # one that was named
        open_session(bundle.path("text"), SessionOptions(device="cuda:0"))

"""What doctor says of the bundle, of what its video model runs on, and why on nothing better."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest

from deploy.doctor import engine, model
from deploy.doctor.card import Cards, Devices
from deploy.doctor.check import Check
from deploy.doctor.model import check_bundle
from encoder.bundle import bundle_folders
from encoder.errors import ModelError, NoEngineError, RuntimeMissingError
from encoder.runtimes import OpenedVideo
from encoder.session import SessionOptions
from encoder.tensorrt.key import Machine

NO_CARD = Devices(Cards(), ("CPUExecutionProvider",))
CARD = Devices(Cards(("NVIDIA A10, driver 550.54, 23028 MiB",)), ("CPUExecutionProvider",))
MACHINE = Machine(tensorrt="11.4.0", gpu="NVIDIA A10", compute_capability="8.6", system="linux")
LITE = "watchword-lite"


def checks(
    name: str = LITE, devices: Devices = NO_CARD, options: SessionOptions | None = None
) -> dict[str, Check]:
    return {check.name: check for check in check_bundle(name, devices, options)}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what the video model runs on."""

    def say(runtime: str, broken: str = "", **passed_over: str) -> None:
        runner = SimpleNamespace(runtime=runtime, description=f"a fake {runtime}")
        found = OpenedVideo(
            runner,  # type: ignore[arg-type]
            MappingProxyType(passed_over),
            frozenset({broken} - {""}),
        )
        monkeypatch.setattr(model, "open_video", lambda _bundle, _options: found)

    return say


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """TensorRT is there; say what engine the bundle has, or what is raised instead."""

    def say(found: object = None) -> None:
        def find(_bundle: str, _files: object, _machine: object) -> object:
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(engine, "tensorrt_version", lambda: "11.4.0")
        monkeypatch.setattr(engine, "find_machine", lambda _card: MACHINE)
        monkeypatch.setattr(engine, "graph_files", lambda _bundle: {})
        monkeypatch.setattr(engine, "find_engine", find)

    return say


def test_a_bundle_that_is_damaged(tmp_path: Path):
    folder = tmp_path / "lite"
    shutil.copytree(bundle_folders()[0] / LITE, folder)
    text = folder / "tokenizer.json"
    text.write_bytes(text.read_bytes()[:-1] + b" ")
    (check,) = checks(str(folder)).values()
    assert check.status == "fail"
    assert "tokenizer.json is damaged" in check.found


def test_a_bundle_that_is_not_there():
    (check,) = checks("nowhere").values()
    assert (check.status, "nowhere" in check.found) == ("fail", True)


def test_this_machine():
    found = checks()
    assert {name: check.status for name, check in found.items()} == {
        "bundle": "ok",
        "model": "ok",
        "TensorRT": "ok",
    }
    assert "runs on C" in found["model"].found  # CPU or CUDA


def test_without_a_card_nothing_better_is_missed(opened):
    opened("cpu", cuda="ONNX Runtime knows no CUDA: install it")
    assert checks()["model"].found == "the video model is loaded and runs on a fake cpu"
    assert checks()["TensorRT"].found == "not there, and of no use without a card"


def test_a_card_that_is_not_used_says_why_and_what_to_do(opened):
    opened("cpu", tensorrt="TensorRT is not there", cuda="ONNX Runtime knows no CUDA: install it")
    found = checks(devices=CARD)
    assert found["model"].status == "warn"
    assert found["model"].found.endswith("not cuda: ONNX Runtime knows no CUDA: install it")
    assert found["model"].fix == "install it"
    assert (found["TensorRT"].status, "watchword[tensorrt]" in found["TensorRT"].fix) == (
        "warn",
        True,
    )


def test_what_is_passed_over_is_said(opened):
    opened("cuda", tensorrt="no engine of it")
    found = checks(devices=CARD)["model"]
    assert (found.status, found.found) == (
        "ok",
        "the video model is loaded and runs on a fake cuda; not tensorrt: no engine of it",
    )


def test_what_should_run_and_does_not_is_a_warning(opened):
    opened("cuda", broken="tensorrt", tensorrt="the engine is damaged: build it again")
    found = checks(devices=CARD)["model"]
    assert (found.status, found.fix) == ("warn", "build it again")
    assert found.found.endswith("a fake cuda; not tensorrt: the engine is damaged: build it again")


def test_a_cpu_that_was_wanted_is_no_fault(opened):
    opened("cpu")
    options = SessionOptions(device="cpu")
    assert checks(devices=CARD, options=options)["model"].status == "ok"


def test_a_runtime_that_is_wanted_and_missing(monkeypatch: pytest.MonkeyPatch):
    def refuse(_bundle: object, _options: object) -> OpenedVideo:
        raise RuntimeMissingError("no CUDA here: install it")

    monkeypatch.setattr(model, "open_video", refuse)
    check = checks(options=SessionOptions(runtime="cuda"))["model"]
    assert (check.status, check.found) == ("fail", "no CUDA here")
    assert check.fix == "install it; or set encoder.runtime and encoder.device to auto"
    assert "model" not in checks()  # without ONNX Runtime, which is said elsewhere


def test_a_model_that_is_refused(monkeypatch: pytest.MonkeyPatch):
    def refuse(_bundle: object, _options: object) -> OpenedVideo:
        raise ModelError("ONNX Runtime cannot load it")

    monkeypatch.setattr(model, "open_video", refuse)
    assert checks()["model"].status == "fail"


def test_an_engine_that_is_there(opened, tensorrt):
    opened("tensorrt")
    tensorrt(SimpleNamespace(max_batch=32, folder=Path("/cache/abc")))
    found = checks(devices=CARD)
    assert found["TensorRT"].found == "11.4.0"
    assert found["engine"].found == "for up to 32 clips on NVIDIA A10: /cache/abc"


def test_an_engine_that_was_never_built_or_is_anothers(opened, tensorrt):
    opened("cuda")
    tensorrt(NoEngineError("the engine may not be used: watchword bundles build-engine lite"))
    check = checks(devices=CARD)["engine"]
    assert (check.status, check.found) == ("warn", "the engine may not be used")
    assert check.fix == "watchword bundles build-engine lite"


def test_a_bundle_without_a_graph_for_tensorrt_needs_no_engine(opened, tensorrt, monkeypatch):
    from encoder.tensorrt.ordering import graph_files

    opened("cuda")
    tensorrt()
    monkeypatch.setattr(engine, "graph_files", graph_files)
    check = checks(devices=CARD)["engine"]
    assert (check.status, "no graph for TensorRT" in check.found) == ("ok", True)


def test_without_a_card_there_is_no_engine_to_look_for(opened, tensorrt):
    opened("cpu")
    tensorrt()
    assert "engine" not in checks()


def test_tensorrt_for_rtx_is_named(opened, monkeypatch: pytest.MonkeyPatch):
    opened("tensorrt-rtx")
    monkeypatch.setattr(engine, "rtx_version", lambda: "0.5.0")
    assert "TensorRT for RTX 0.5.0" in checks(devices=CARD)["TensorRT"].found

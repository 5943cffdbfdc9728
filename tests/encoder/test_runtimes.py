"""Which runtime the video tower gets: the best that works, or the one that is named or none."""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pytest

from encoder import runtimes, video
from encoder.bundle import Bundle
from encoder.errors import (
    BundleError,
    CardMemoryError,
    EngineError,
    ModelError,
    NoEngineError,
    RuntimeMissingError,
    UnfitEngineError,
)
from encoder.runtimes import SessionRunner, open_video
from encoder.session import SessionOptions
from encoder.video import VideoEncoder
from tests.encoder.models import SPACE, random_clips


class Runner:
    """A runner that says what it is, and gives unit vectors."""

    best_batch = 7
    clip_shape = (SPACE.frames_per_clip, SPACE.height, SPACE.width, 3)

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self.description = f"a fake {runtime}"

    def run(self, clips: np.ndarray) -> np.ndarray:
        return np.tile(np.eye(1, SPACE.dims, dtype=np.float32), (len(clips), 1))


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say which runtimes work; what the others raise."""

    def say(*working: str, **broken: Exception) -> None:
        def opener(name: str) -> Callable[[Bundle, SessionOptions], Any]:
            def open_it(_bundle: Bundle, _options: SessionOptions) -> Runner:
                if name in working:
                    return Runner(name)
                raise broken.get(name.replace("-", "_"), RuntimeMissingError(f"no {name} here"))

            return open_it

        opened = MappingProxyType({name: opener(name) for name in runtimes._OPEN})
        monkeypatch.setattr(runtimes, "_OPEN", opened)

    return say


@pytest.mark.parametrize(
    ("working", "chosen"),
    [
        (("tensorrt", "tensorrt-rtx", "tensorrt-ep", "cuda", "cpu"), "tensorrt"),
        (("tensorrt-rtx", "tensorrt-ep", "cuda", "cpu"), "tensorrt-rtx"),
        (("tensorrt-ep", "cuda", "cpu"), "cuda"),  # tensorrt-ep is for who asks for it
        (("tensorrt-ep", "cpu"), "cpu"),
    ],
)
def test_the_best_that_works(bundle: Bundle, there, working, chosen) -> None:
    there(*working)
    opened = open_video(bundle)
    assert opened.runner.runtime == chosen
    better = ("tensorrt", "tensorrt-rtx", "cuda", "cpu")
    assert list(opened.passed_over) == list(better[: better.index(chosen)])
    assert all(why.startswith("no ") for why in opened.passed_over.values())


def test_a_better_one_that_fails_is_passed_over_too(bundle: Bundle, there) -> None:
    there("cpu", tensorrt=EngineError("the card fails"), cuda=ModelError("not this graph"))
    opened = open_video(bundle)
    assert opened.runner.runtime == "cpu"
    assert opened.passed_over["tensorrt"] == "the card fails"
    assert opened.broken == {"tensorrt", "cuda"}


def test_what_is_not_expected_is_not_passed_over(bundle: Bundle, there) -> None:
    there("cpu", tensorrt=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        open_video(bundle)


@pytest.mark.parametrize("named", ["tensorrt", "tensorrt-rtx", "tensorrt-ep", "cuda"])
def test_a_named_one_runs_or_nothing_does(bundle: Bundle, there, named) -> None:
    there("cpu")
    with pytest.raises(RuntimeMissingError, match=f"no {named} here"):
        open_video(bundle, SessionOptions(runtime=named))
    there("cpu", named)
    assert open_video(bundle, SessionOptions(runtime=named)).runner.runtime == named


def test_a_named_card_is_used_or_nothing_is(bundle: Bundle, there) -> None:
    there("cpu")
    with pytest.raises(RuntimeMissingError, match=r"on cuda:1: tensorrt: no tensorrt here; .*cuda"):
        open_video(bundle, SessionOptions(device="cuda:1"))
    there("cpu", "cuda")
    assert open_video(bundle, SessionOptions(device="cuda:1")).runner.runtime == "cuda"


def test_the_cpu_that_is_named_is_not_looked_past(bundle: Bundle, there) -> None:
    there("tensorrt", "cpu")
    for options in (SessionOptions(device="cpu"), SessionOptions(runtime="cpu")):
        opened = open_video(bundle, options)
        assert (opened.runner.runtime, dict(opened.passed_over)) == ("cpu", {})


def test_a_fault_of_the_last_one_is_told(bundle: Bundle, there) -> None:
    there(cpu=ModelError("a damaged graph"))
    with pytest.raises(ModelError, match="a damaged graph"):
        open_video(bundle)


def test_a_card_overlaps_and_wants_its_batch(bundle: Bundle, there, caplog) -> None:
    there("tensorrt-rtx", "cpu")
    with caplog.at_level("DEBUG", logger="encoder.video"):
        encoder = VideoEncoder(bundle)
    assert encoder.overlaps
    assert (encoder.best_batch, encoder.runtime) == (7, "tensorrt-rtx")
    assert encoder.encode(random_clips(3)).shape == (3, SPACE.dims)
    assert said(caplog) == [
        ("INFO", "the video model runs on a fake tensorrt-rtx"),
        ("DEBUG", "the video model does not run on tensorrt: no tensorrt here"),
    ]


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize(
    "error",
    [
        UnfitEngineError("the engine may not be used, TensorRT 10 built it, this is 11"),
        CardMemoryError("the card has 1.00 of 8.00 GB free, the engine needs 2.00 GB"),
        EngineError("TensorRT cannot load it"),
        ModelError("the tower is another"),
    ],
)
def test_what_should_run_and_does_not_is_warned_of(bundle: Bundle, there, caplog, error) -> None:
    there("cuda", "cpu", tensorrt=error)
    with caplog.at_level("WARNING", logger="encoder.video"):
        VideoEncoder(bundle)
    assert said(caplog) == [("WARNING", f"the video model does not run on tensorrt: {error}")]


@pytest.mark.parametrize("error", [NoEngineError("none was built"), BundleError("no such graph")])
def test_what_nobody_made_is_not_warned_of(bundle: Bundle, there, caplog, error) -> None:
    there("cuda", "cpu", tensorrt=error)
    with caplog.at_level("WARNING", logger="encoder.video"):
        VideoEncoder(bundle)
    assert said(caplog) == []


def test_a_card_that_is_left_idle_is_warned_of_once(
    bundle: Bundle, there, caplog, monkeypatch: pytest.MonkeyPatch
) -> None:
    there("cpu", cuda=RuntimeMissingError("fell back from CUDA"))
    monkeypatch.setattr(video, "card_is_there", lambda: True)
    with caplog.at_level("WARNING", logger="encoder.video"):
        VideoEncoder(bundle)
        VideoEncoder(bundle, SessionOptions(device="cpu"))  # somebody wants it so
    ((level, told),) = said(caplog)
    assert level == "WARNING"
    assert told.startswith("there is a card, and the video model runs on the CPU: tensorrt: no ten")
    assert told.endswith("cuda: fell back from CUDA")


def test_without_a_card_a_cpu_is_no_fault(bundle: Bundle, there, caplog, monkeypatch) -> None:
    there("cpu")
    monkeypatch.setattr(video, "card_is_there", lambda: False)
    with caplog.at_level("WARNING", logger="encoder.video"):
        VideoEncoder(bundle)
    assert said(caplog) == []


def test_on_this_machine(bundle: Bundle) -> None:
    opened = open_video(bundle, SessionOptions(threads=1))
    assert isinstance(opened.runner, SessionRunner)
    assert opened.passed_over["tensorrt"].startswith("bundle tiny has no graph for TensorRT")
    assert opened.runner.run(random_clips(2)).shape == (2, SPACE.dims)


def test_without_a_graph_for_tensorrt_it_cannot_be_named(bundle: Bundle) -> None:
    for named in ("tensorrt", "tensorrt-rtx", "tensorrt-ep"):
        with pytest.raises(BundleError, match="video_tensorrt"):
            open_video(bundle, SessionOptions(runtime=named))


def test_no_engine_is_something_that_is_missing() -> None:
    assert issubclass(NoEngineError, RuntimeMissingError)


def test_a_provider_that_fell_back_is_noticed(bundle: Bundle, monkeypatch) -> None:
    monkeypatch.setattr(runtimes, "cuda_providers", lambda _options: ["CPUExecutionProvider"])
    told = r"fell back from CUDA: .*: pip install --upgrade 'watchword\[gpu\]'$"
    with pytest.raises(RuntimeMissingError, match=told):
        open_video(bundle, SessionOptions(runtime="cuda"))


def test_tensorrt_in_onnx_runtime_that_fell_back_is_noticed(bundle: Bundle, monkeypatch) -> None:
    monkeypatch.setattr(runtimes, "graph_files", lambda _bundle: {})
    monkeypatch.setattr(runtimes, "ROLE", "video")
    monkeypatch.setattr(runtimes, "tensorrt_providers", lambda *_: ["CPUExecutionProvider"])
    monkeypatch.setattr(runtimes, "tensorrt_version", lambda: "11.4.0")
    told = r"fell back from TensorRT: .* than the 11\.4\.0 .*: pip .*encoder.runtime to tensorrt$"
    with pytest.raises(RuntimeMissingError, match=told):
        open_video(bundle, SessionOptions(runtime="tensorrt-ep"))


class Kernels:
    """A session whose kernels were made for four clips at most."""

    inputs: ClassVar = {"frames": ("batch", 2, 4, 6, 3)}

    def __init__(self) -> None:
        self.batches: list[int] = []

    def require(self, inputs: set[str], outputs: set[str]) -> None:
        pass

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        frames = inputs["frames"]
        assert len(frames) <= 4, "a batch beyond the profile"
        self.batches.append(len(frames))
        return {"embedding": frames.reshape(len(frames), -1)[:, :8].astype(np.float32)}


@pytest.mark.parametrize(("count", "runs"), [(1, [1]), (4, [4]), (5, [4, 1]), (11, [4, 4, 3])])
def test_more_clips_than_kernels_were_made_for_are_run_in_turns(count: int, runs: list) -> None:
    kernels, clips = Kernels(), random_clips(count)
    runner = SessionRunner(kernels, "tensorrt-ep", "", max_batch=4)  # type: ignore[arg-type]
    np.testing.assert_array_equal(runner.run(clips), clips.reshape(count, -1)[:, :8])
    assert kernels.batches == runs


def test_where_kernels_are_made_for_a_batch_it_is_not_exceeded(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever `encoder.batch` says."""
    monkeypatch.setattr(runtimes, "graph_files", lambda _bundle: {})
    monkeypatch.setattr(runtimes, "ROLE", "video")
    monkeypatch.setattr(runtimes, "TENSORRT", "CPUExecutionProvider")
    asked: list[int] = []

    def providers(_bundle, _files, _options, batch: int) -> list[str]:
        asked.append(batch)
        return ["CPUExecutionProvider"]

    monkeypatch.setattr(runtimes, "tensorrt_providers", providers)
    monkeypatch.setattr(runtimes, "rtx_plugged", providers)
    for runtime in ("tensorrt-ep", "tensorrt-rtx"):
        runner = open_video(bundle, SessionOptions(runtime=runtime)).runner
        assert isinstance(runner, SessionRunner)
        assert runner.max_batch == asked.pop()


def test_a_tower_of_other_inputs_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    text = bundle.path("text").read_bytes()
    bundle.path("video").write_bytes(text)
    with pytest.raises(ModelError, match=r"wanted are \['frames'\]"):
        open_video(bundle)

"""An engine as it runs: any number of clips, in order, in two slots, and nothing left behind."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoder.bundle import Bundle
from encoder.errors import EngineError, NoEngineError, RuntimeMissingError
from encoder.runtimes import open_video
from encoder.session import SessionOptions
from encoder.tensorrt.installed import find_machine
from encoder.tensorrt.key import BuildOptions
from encoder.tensorrt.ordering import EngineShop
from encoder.tensorrt.runtime import TensorRTRunner
from encoder.video import VideoEncoder
from tests.encoder.models import random_clips
from tests.encoder.tensorrt.computed import expected
from tests.encoder.tensorrt.conftest import Build, Say


@pytest.fixture
def plain(build: Build) -> Iterator[TensorRTRunner]:
    """The same without graphs."""
    loaded = TensorRTRunner(build(5), graphs=False)
    yield loaded
    loaded.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 23), seed=st.integers(0, 9))
def test_any_number_of_clips_in_their_order(runner, plain, count: int, seed: int) -> None:
    clips = random_clips(count, seed)
    for loaded in (runner, plain):
        np.testing.assert_allclose(loaded.run(clips), expected(clips), rtol=1e-6)


def test_what_is_filled_up_is_black(runner: TensorRTRunner, fakes: SimpleNamespace) -> None:
    runner.run(np.full((5, *runner.clip_shape), 255, np.uint8))
    runner.run(np.full((5, *runner.clip_shape), 255, np.uint8))
    runner.run(random_clips(3))  # in the size for 4
    slot = runner._free.get()
    other = runner._free.get()
    held = [bool(one.clips[3].any()) for one in (slot, other)]
    assert sorted(held) == [False, True]
    runner._free.put(slot)
    runner._free.put(other)


def test_a_graph_for_each_size_and_slot(runner: TensorRTRunner, fakes: SimpleNamespace) -> None:
    calls = fakes.card.calls
    assert calls.count("cudaGraphInstantiate") == 2 * len((1, 2, 4, 5))
    calls.clear()
    runner.run(random_clips(12))
    assert calls.count("cudaGraphLaunch") == 3  # 5, 5 and 2
    assert calls.count("cudaMalloc") == calls.count("cudaHostAlloc") == 0  # taken once


def test_without_graphs_it_runs_all_the_same(build: Build, fakes, caplog) -> None:
    fakes.card.fails.add("cudaGraphInstantiate")
    loaded = TensorRTRunner(build(4))
    clips = random_clips(9)
    np.testing.assert_allclose(loaded.run(clips), expected(clips), rtol=1e-6)
    assert "batches of 4 clips run without a CUDA graph" in caplog.text
    assert "cudaGraphLaunch" not in fakes.card.calls
    loaded.close()


def test_the_next_batch_is_copied_while_one_is_computed(
    runner: TensorRTRunner, fakes: SimpleNamespace
) -> None:
    """Both slots are filled and under way before anything is waited for."""
    calls = fakes.card.calls
    calls.clear()
    runner.run(random_clips(10))
    first_wait = calls.index("cudaEventSynchronize")
    assert calls[:first_wait].count("cudaGraphLaunch") == 2


def test_several_threads_get_what_is_theirs(runner: TensorRTRunner) -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        for turn in range(20):
            clips = random_clips(1 + (seed + turn) % 12, seed * 100 + turn)
            if not np.allclose(runner.run(clips), expected(clips)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert runner._free.qsize() == 2


def test_a_card_that_fails_is_told_and_no_slot_is_lost(
    runner: TensorRTRunner, fakes: SimpleNamespace
) -> None:
    for function in ("cudaGraphLaunch", "cudaMemcpyAsync", "cudaEventSynchronize"):
        fakes.card.fails.add(function)
        with pytest.raises(EngineError, match=f"cuda:0 fails at {function} .*restart"):
            runner.run(random_clips(12))
        fakes.card.fails.clear()
        assert runner._free.qsize() == 2
    clips = random_clips(12)
    np.testing.assert_allclose(runner.run(clips), expected(clips), rtol=1e-6)


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"names": ["pixels", "embedding"]}, r"inputs and outputs \['embedding', 'pixels'\]"),
        ({"bytes": "embedding"}, "takes FLOAT and gives UINT8"),
        ({"most_contexts": 0, "complaint": "a bad graph"}, r"no execution context \(a bad graph\)"),
        ({"refuses": True}, "refuses to run the engine: build it again"),
        ({"min_batch": 2}, "does not take 1 clips: build it again"),
    ],
)
def test_a_plan_that_is_not_what_it_should_be(build: Build, fakes, plan, told) -> None:
    engine = build(4, **plan)
    with pytest.raises(EngineError, match=told):
        TensorRTRunner(engine)
    left = [*fakes.card.device, *fakes.card.host, *fakes.card.streams]
    assert not left


def test_a_plan_that_tensorrt_cannot_read(build: Build) -> None:
    engine = build()
    engine.plan.write_bytes(b"x" * engine.record.plan_bytes)
    with pytest.raises(EngineError, match=r"cannot load .*another magic number.*--force"):
        TensorRTRunner(engine)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "watchword" / "engines"


def test_the_encoder_runs_the_engine_that_is_there(
    quick: Bundle, fakes: SimpleNamespace, cache: Path
) -> None:
    named = SessionOptions(runtime="tensorrt")
    with pytest.raises(NoEngineError, match="build-engine quick"):
        VideoEncoder(quick, named)
    assert open_video(quick).passed_over["tensorrt"].startswith("no engine of quick")
    EngineShop(find_machine(0), root=cache).build(quick, BuildOptions(max_batch=3))
    encoder = VideoEncoder(quick)
    assert (encoder.runtime, encoder.best_batch, encoder.overlaps) == ("tensorrt", 3, True)
    clips = random_clips(7)
    np.testing.assert_allclose(encoder.encode(clips), expected(clips), rtol=1e-6)
    assert encoder._runner.description == "TensorRT 11.4.0.106 on NVIDIA Fake"


def test_an_engine_of_another_tensorrt_or_card_is_not_loaded(
    quick: Bundle, fakes: SimpleNamespace, cache: Path, monkeypatch
) -> None:
    EngineShop(find_machine(0), root=cache).build(quick, BuildOptions(max_batch=3))
    named = SessionOptions(runtime="tensorrt")
    monkeypatch.setattr(fakes.tensorrt, "__version__", "11.5.0")
    with pytest.raises(NoEngineError, match=r"TensorRT 11\.4\.0\.106 built it, this is 11\.5\.0"):
        open_video(quick, named)
    monkeypatch.undo()


def test_a_machine_with_other_things_missing(
    fakes: SimpleNamespace, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeMissingError, match="no card cuda:3, this machine has 1"):
        find_machine(3)
    say(card={"count": 0})
    with pytest.raises(RuntimeMissingError, match=r"no NVIDIA card .*cudaErrorNoDevice"):
        find_machine(0)
    monkeypatch.delattr(fakes.tensorrt, "__version__")
    with pytest.raises(RuntimeMissingError, match="is not TensorRT"):
        find_machine(0)


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(RuntimeMissingError, match=r"TensorRT cannot be loaded .*\[tensorrt\]"):
        find_machine(0)
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="11"))
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(RuntimeMissingError, match="cuda-bindings is not installed"):
        find_machine(0)


def test_what_was_found_is_this_machine(fakes: SimpleNamespace) -> None:
    found = msgspec.to_builtins(find_machine(0))
    assert (found["gpu"], found["compute_capability"]) == ("NVIDIA Fake", "9.0")
    assert found["tensorrt"] == "11.4.0.106"

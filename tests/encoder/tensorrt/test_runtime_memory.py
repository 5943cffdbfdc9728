"""What an engine takes of a card: counted before, told where it is short, and given back."""

import gc
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from encoder.errors import CardMemoryError
from encoder.tensorrt.runtime import TensorRTRunner
from tests.encoder.models import random_clips
from tests.encoder.tensorrt.computed import expected
from tests.encoder.tensorrt.conftest import Build, Say


def test_everything_is_given_back(build: Build, fakes: SimpleNamespace) -> None:
    card = fakes.card
    loaded = TensorRTRunner(build(4))
    assert card.device
    assert card.host
    loaded.close()
    left = [*card.device, *card.host, *card.graphs, *card.events, *card.streams]
    assert not left


def test_what_refers_to_something_goes_before_it(build: Build, fakes: SimpleNamespace) -> None:
    loaded = TensorRTRunner(build(4))
    loaded.run(random_clips(5))
    fakes.card.freed.clear()
    loaded.close()
    kinds = [kind for kind, _ in itertools.groupby(fakes.card.freed)]
    assert kinds[:4] == ["graph", "context", "engine", "runtime"]
    assert set(kinds[4:]) == {"memory", "stream", "event"}
    assert fakes.card.freed.count("graph") == fakes.card.freed.count("context") == 2 * 3


def test_memory_that_runs_out_while_an_engine_is_loaded_leaves_nothing(build: Build, fakes) -> None:
    engine = build(4, most_contexts=3)
    with pytest.raises(CardMemoryError):
        TensorRTRunner(engine)
    gc.collect()
    left = [*fakes.card.device, *fakes.card.host, *fakes.card.graphs, *fakes.card.streams]
    assert not left
    assert fakes.card.freed.count("context") == 3
    assert "engine" in fakes.card.freed


@pytest.mark.parametrize("made", [0, 1, 4])
@pytest.mark.parametrize(
    ("complaint", "asked"),
    [("", ""), ("OutOfMemory (Requested size was 3000000000 bytes.)", ", 3.00 GB were asked for")],
)
def test_no_memory_for_a_context_says_how_much_is_free_and_what_will_fit(
    build: Build, made: int, complaint: str, asked: str
) -> None:
    engine = build(4, most_contexts=made, complaint=complaint)
    told = rf"of 0\.01 GB free{asked}.*: end what else uses it, or build one with --batch 2"
    with pytest.raises(CardMemoryError, match=told):
        TensorRTRunner(engine)


def test_memory_for_contexts_is_counted_before_any_is_taken(build: Build, fakes) -> None:
    """Six of them, of 2 MB each, on a card of 10 MB."""
    engine = build(4, context_bytes=2_000_000)
    told = r"an engine for 4 clips, beside its weights, needs 0\.01 GB: .*--batch 2"
    with pytest.raises(CardMemoryError, match=told):
        TensorRTRunner(engine)
    assert "cudaMalloc" not in fakes.card.calls
    TensorRTRunner(build(2, context_bytes=2_000_000)).close()  # four of them


@pytest.mark.parametrize("function", ["cudaGraphLaunch", "cudaMemcpyAsync", "cudaEventRecord"])
def test_memory_that_runs_out_in_the_midst_is_told(
    runner: TensorRTRunner, fakes: SimpleNamespace, function: str
) -> None:
    fakes.card.full.add(function)
    told = f"card cuda:0 has no memory left for {function} .*: end what else uses it, or build"
    with pytest.raises(CardMemoryError, match=told):
        runner.run(random_clips(3))
    fakes.card.full.clear()
    assert runner._free.qsize() == 2


def test_without_memory_for_graphs_it_runs_all_the_same(build: Build, fakes, caplog) -> None:
    fakes.card.full.add("cudaGraphInstantiate")
    loaded = TensorRTRunner(build(4))
    clips = random_clips(9)
    np.testing.assert_allclose(loaded.run(clips), expected(clips), rtol=1e-6)
    assert "without a CUDA graph: card cuda:0 has no memory left for cudaGraphIns" in caplog.text
    assert not fakes.card.graphs
    loaded.close()


def test_too_little_memory_for_the_batch(build: Build, fakes: SimpleNamespace) -> None:
    engine = build(4, scratch=50_000_000)
    told = r"0\.01 of 0\.01 GB free, an engine for 4 clips.* needs 0\.05 GB: .*--batch 2"
    with pytest.raises(CardMemoryError, match=told):
        TensorRTRunner(engine)
    assert not fakes.card.device


def test_too_little_memory_for_the_weights(build: Build, say: Say) -> None:
    engine = build()
    say(card={"total": 10})
    with pytest.raises(CardMemoryError, match=r"the engine's weights needs? .*smaller model"):
        TensorRTRunner(engine)


def test_memory_that_others_took_meanwhile(build: Build, fakes, monkeypatch) -> None:
    engine = build()
    monkeypatch.setattr(fakes.runtime, "cudaMemGetInfo", lambda: (*fakes.runtime.OK, 10**9, 10**9))
    fakes.card.total = 100
    with pytest.raises(CardMemoryError, match=r"cuda:0 has no memory left for 0\.00 GB"):
        TensorRTRunner(engine)

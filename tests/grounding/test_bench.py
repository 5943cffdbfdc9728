"""The comparison of runtimes reports medians of interleaved runs; how fast, no test asserts."""

import pytest

from grounding import bench
from grounding.bench import RuntimeComparison, Workload, compare_runtimes


def test_ratio_is_eager_over_onnx():
    assert RuntimeComparison(8, 76, 2, eager_ms=15.0, onnx_ms=10.0).ratio == pytest.approx(1.5)


def test_runs_take_turns_and_the_first_does_not_count(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(bench.time, "perf_counter", lambda: float(next(clock)))
    calls = []
    found = bench._interleave(lambda: calls.append("a"), lambda: calls.append("b"), rounds=3)
    assert "".join(calls) == "abababab"
    assert found == (1.0, 1.0)


def test_compares_a_detector_file_with_eager(monkeypatch, tmp_path):
    """With a session that only records what it is given: a real one is test_export's."""
    seen = []

    class Recorder:
        def run(self, arrays):
            seen.append({name: array.shape for name, array in arrays.items()})

    options = []
    monkeypatch.setattr(bench, "open_session", lambda _path, o: (options.append(o), Recorder())[1])
    found = compare_runtimes(
        tmp_path / "d.onnx", "live", Workload(batch=1, clips=8, tokens=3, threads=1, rounds=1)
    )
    assert (found.batch, found.clips, found.threads) == (1, 8, 1)
    assert found.eager_ms > 0
    assert found.onnx_ms >= 0
    assert options[0].device == "cpu"
    assert seen[0]["video"] == (1, 8, 512)
    assert seen[0]["text_mask"] == (1, 3)
    assert len(seen) == 2

"""The measurement of a running server: its cameras, its arithmetic, and (slow) the whole of it."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from deploy.bench.live import LiveOptions, _costs, _latencies, _Watched, bench_live
from deploy.errors import BenchError
from tests.conftest import ROOT
from tests.e2e.media import GREY, RED, write_video


@pytest.fixture
def cameras(tmp_path: Path) -> Iterator[str]:
    """The address of cameras that show a film of two seconds again and again."""
    film = write_video(tmp_path / "film.mp4", [(RED, 1), (GREY, 1)])
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.bench.live_cameras", str(film)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.communicate()


def test_a_camera_goes_on_after_the_film(cameras: str):
    times: list[float] = []
    with av.open(f"{cameras}/0", timeout=20) as container:
        for frame in container.decode(video=0):
            times.append(float(frame.time or 0))
            if times[-1] - times[0] > 3.0:
                break
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert min(steps) > 0
    assert max(steps) < 0.5


def test_latencies_are_told_by_rank():
    figures = {figure.name: figure for figure in _latencies([n / 100 for n in range(100)])}
    p95 = figures["alert latency p95, after the clip's end"]
    assert (p95.value, p95.met) == (0.95, True)
    assert figures["alerts received"].value == 100


def test_a_run_without_alerts_has_no_latency():
    with pytest.raises(BenchError, match="no alert"):
        list(_latencies([]))


def test_memory_that_grows_misses_its_target():
    at = [10.0 * n for n in range(40)]
    grown = _Watched([100 + n for n in range(40)], [0.5 * second for second in at], at)
    figures = {figure.name: figure for figure in _costs(grown, cameras=2)}
    assert figures["memory, last / first quarter"].met is False
    assert figures["cores used per camera"].value == pytest.approx(0.25)


@pytest.mark.slow
def test_a_short_run_of_the_whole():
    from deploy.sample_clip import sample_clip

    options = LiveOptions(cameras=1, queries=4, subscribers=1, seconds=70.0)
    figures = {figure.name: figure.value for figure in bench_live(options, sample_clip())}
    assert figures["clips dropped"] == 0
    assert figures["alerts received"] > 0

import json
from pathlib import Path

import pytest
from rich.console import Console

from deploy.bench.decode import bench_decode
from deploy.bench.figure import Figure, figure_table
from deploy.bench.machine import cores, describe_machine
from deploy.bench.pipeline import QUERIES, bench_pipeline, run_watch
from deploy.errors import BenchError
from grounding.query_text import check_text
from streamer.clip import ClipFormat
from tests.e2e.colour_bundle import make_colour_bundle
from tests.e2e.conftest import watchword
from tests.e2e.media import GREY, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("bench") / "grey.mp4", [(GREY, 6)])


def test_a_figure_meets_its_target_from_the_right_side() -> None:
    assert Figure("speed", 9, "x", "at least", 8).met is True
    assert Figure("speed", 7, "x", "at least", 8).met is False
    assert Figure("memory", 901, "MB", "at most", 900).met is False
    assert Figure("time", 3, "s").met is None


def test_a_figure_as_json() -> None:
    assert Figure("speed", 7.5, "x", "at least", 8).as_json() == {
        "figure": "speed",
        "value": 7.5,
        "unit": "x",
        "wanted": "at least",
        "target": 8,
        "met": False,
    }
    assert "met" not in Figure("time", 3, "s").as_json()


def test_the_table_says_what_was_missed() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(figure_table([Figure("speed", 7.456, "x", "at least", 8)]))
    assert "7.46 x" in capture.get()
    assert "at least 8" in capture.get()
    assert "missed" in capture.get()


def test_the_machine_is_described() -> None:
    assert f"{cores()} cores" in describe_machine()
    assert "Python 3" in describe_machine()


def test_the_twenty_queries_can_be_watched_for() -> None:
    assert len(set(QUERIES)) == 20
    assert all(check_text(query).warnings == () for query in QUERIES)


def test_decode_counts_frames(video: Path) -> None:
    figures = {figure.name: figure for figure in bench_decode(video, ClipFormat(4, 32, 16), 1)}
    assert figures["decode alone"].value > 0
    assert figures["decode, resize and cut clips"].value > 0


@pytest.mark.needs("ffmpeg")
def test_decode_is_compared_with_ffmpeg(video: Path) -> None:
    figures = {figure.name: figure for figure in bench_decode(video, ClipFormat(4, 32, 16), 1)}
    assert figures["decode alone / ffmpeg"].target == 0.8


def test_the_pipeline_is_run_as_users_run_it(video: Path, tmp_path: Path) -> None:
    bundle = make_colour_bundle(tmp_path / "colours")
    figures = {one.name: one for one in bench_pipeline(video, 6.0, str(bundle), repeats=1)}
    assert json.loads(json.dumps([one.as_json() for one in figures.values()]))
    assert figures["1 query, times real time"].target == 8
    assert figures["20 queries / 1 query"].wanted == "at most"
    # No upper bound: Linux counts for it what this process, which starts it, ever held
    assert figures["resident memory, peak"].value > 20


def test_a_run_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"gone\.mp4"):
        run_watch(tmp_path / "gone.mp4", QUERIES[:1], "watchword-lite")


def test_runtimes_are_compared_for_the_live_network_only(tmp_path: Path) -> None:
    bundle = make_colour_bundle(tmp_path / "colours")
    done = watchword("bench", "ground", "--bundle", bundle)
    assert done.code == 1
    assert "colours reads 4 dimensions" in done.err


def test_the_command_tells_figures_of_a_file(video: Path, tmp_path: Path) -> None:
    bundle = make_colour_bundle(tmp_path / "colours")
    words = ("--source", video, "--repeats", "1", "--bundle", bundle)
    done = watchword("bench", "decode", *words, "--json")
    assert done.code == 0, done.err
    assert {"decode alone"} <= {line["figure"] for line in done.objects}
    assert "decode alone" in watchword("bench", "decode", *words).out


@pytest.mark.slow
def test_the_command_draws_a_scene_and_cameras(tmp_path: Path) -> None:
    bundle = make_colour_bundle(tmp_path / "colours")
    words = ("--seconds", "2", "--repeats", "1", "--bundle", bundle)
    done = watchword("bench", "decode", *words, "--json")
    assert done.code == 0, done.err
    figures = {line["figure"] for line in done.objects}
    assert {"decode alone", "decode all: cameras of 1080p25"} <= figures
    assert "scene.mp4: h264, 768x432, 25 fps, 2 s" in done.err

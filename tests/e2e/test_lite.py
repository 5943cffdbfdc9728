"""The bundle that ships, on real footage."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from deploy import demo
from deploy.errors import SampleClipError
from deploy.sample_clip import sample_clip
from tests.e2e.conftest import watchword

# car_passing.mp4, by the difference to its median picture: cars from 4.8 to 8.6 s, 15 to 18.5 s
# and 25.5 to 29 s. Middles of two-second clips that show nothing but road, and of those with a car:
EMPTY_ROAD = (1.0, 3.0, 11.0, 13.0, 21.0, 23.0)
PASSES = ((5.0, 7.0), (17.0,), (27.0,))


@pytest.fixture(scope="module")
def passes(lite: str, shared: Path) -> list[dict[str, Any]]:
    clip = shared / "clips" / "car_passing.mp4"
    done = watchword("watch", clip, "--query", "a car driving on the road", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.summary["blind_seconds"] == 0
    assert {alert["bundle"] for alert in done.alerts} == {lite}
    return done.alerts


def test_cars_are_found_where_they_pass(passes: list[dict[str, Any]]) -> None:
    for clips in PASSES:
        assert any(
            alert["start_seconds"] <= at <= alert["end_seconds"] for alert in passes for at in clips
        ), f"no alert covers {clips}"


def test_the_empty_road_is_not_found(passes: list[dict[str, Any]]) -> None:
    assert min(alert["start_seconds"] for alert in passes) > 3.0
    curve = {round(at): value for alert in passes for at, value in alert["saliency"]}
    empty = max(curve[round(at)] for at in EMPTY_ROAD if round(at) in curve)
    for clips in PASSES:
        assert max(curve[round(at)] for at in clips) > empty


def test_nobody_fights_in_an_empty_corridor(lite: str, shared: Path) -> None:
    clip = shared / "clips" / "corridor_empty.mp4"
    done = watchword("watch", clip, "--query", "two people fighting", "--bundle", lite, "--json")
    assert (done.code, done.alerts) == (0, [])
    assert done.summary["clips"] >= 67


def test_a_real_damaged_file_is_used_as_far_as_it_decodes(lite: str, shared: Path) -> None:
    clip = shared / "clips" / "corrupted.mp4"
    done = watchword("watch", clip, "--query", "a person", "--bundle", lite, "--json")
    assert done.code == 0, done.err
    assert done.summary["clips"] > 0


def test_the_shipped_bundle_is_intact_and_says_what_it_cannot_do(lite: str) -> None:
    assert watchword("bundles", "verify", lite).code == 0
    listed = watchword("bundles", "list").out
    for words in (lite, "licence", "trained on", "limits", "presence AUC"):
        assert words in listed


def test_the_demo_finds_what_is_there_and_not_what_is_absent(lite: str) -> None:
    try:
        sample_clip()
    except SampleClipError as error:
        pytest.skip(str(error))
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        demo.main()
    lines = out.getvalue().splitlines()
    cars = next(line for line in lines if demo.QUERIES[0] in line)
    assert "nothing found" not in cars
    absent = next(line for line in lines if demo.QUERIES[-1] in line)
    assert "nothing found" in absent
    assert max(map(len, lines)) <= 80

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.config import WatchOptions
from deploy.errors import UsageError
from deploy.watch_plan import PlannedCamera, plan_watch, query_id
from encoder.errors import UnknownBundleError
from grounding.errors import QueryTextError, SensitivityError
from streamer.clip import ClipFormat
from streamer.config import CameraSettings, ReadOptions
from streamer.errors import SourceMissingError
from streamer.source_facts import SourceFacts
from tests.e2e.colour_bundle import make_colour_bundle, uncalibrated
from tests.e2e.media import GREY, write_video

FACTS = SourceFacts("h264", 128, 64, 10.0, 60.0, 1000.0004, "yuv420p", 0, live=False)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> WatchOptions:
    folder = tmp_path_factory.mktemp("plan")
    video = write_video(folder / "street.mp4", [(GREY, 2)])
    bundle = make_colour_bundle(folder / "colours")
    return WatchOptions(sources=(str(video),), queries=("red",), bundle=str(bundle))


def planned(facts: SourceFacts | None, begin: float | None, end: float | None) -> PlannedCamera:
    read = ReadOptions("street", ClipFormat(4, 32, 16), from_seconds=begin, to_seconds=end)
    return PlannedCamera(CameraSettings("street.mp4", read), facts)


def test_a_plan_knows_its_cameras_before_it_runs(options: WatchOptions) -> None:
    plan = plan_watch(options)
    (camera,) = plan.cameras
    assert camera.camera_id == "street"
    assert camera.seconds == pytest.approx(2.0, abs=0.2)
    assert plan.ends
    assert plan.warnings == ()


def test_a_budget_of_two_alerts_an_hour_is_the_default(options: WatchOptions) -> None:
    plan = plan_watch(options)
    assert plan.threshold == plan_watch(replace(options, alerts_per_day=48.0)).threshold
    assert plan.threshold == pytest.approx(0.5)  # the bundle's curve says two an hour there


def test_fewer_alerts_want_a_higher_threshold(options: WatchOptions) -> None:
    thresholds = [
        plan_watch(replace(options, alerts_per_day=n)).threshold for n in (20.0, 1.0, 0.1)
    ]
    assert thresholds == sorted(thresholds)
    assert len(set(thresholds)) == 3


def test_a_budget_beyond_the_measured_curve_is_warned_of(options: WatchOptions) -> None:
    (warning,) = plan_watch(replace(options, alerts_per_day=1e-6)).warnings
    assert "measured" in warning


def test_a_threshold_is_taken_as_it_is(options: WatchOptions) -> None:
    assert plan_watch(replace(options, threshold=0.25)).threshold == 0.25


@pytest.mark.parametrize("budget", [None, 48.0])
def test_a_bundle_that_is_not_calibrated_wants_a_threshold(
    options: WatchOptions, tmp_path: Path, budget: float | None
) -> None:
    asked = replace(options, bundle=str(uncalibrated(make_colour_bundle(tmp_path / "colours"))))
    with pytest.raises(SensitivityError, match=r"48 alerts a day cannot be promised.*--threshold"):
        plan_watch(replace(asked, alerts_per_day=budget))
    plan = plan_watch(replace(asked, threshold=0.25))
    assert plan.threshold == 0.25
    (warning,) = plan.warnings
    assert "bundle colours is not calibrated" in warning


def test_queries_are_tidied_and_told_apart(options: WatchOptions) -> None:
    plan = plan_watch(replace(options, queries=(" a  red car", "a red car", "blue")))
    assert [query.text for query in plan.queries] == ["a red car", "blue"]
    assert query_id("a red car") == query_id("a red car") != query_id("blue")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"queries": ()}, UsageError),
        ({"sources": ()}, UsageError),
        ({"queries": ("",)}, QueryTextError),
        ({"threshold": 7.0}, SensitivityError),
        ({"alerts_per_day": 0.0}, SensitivityError),
        ({"threshold": 0.5, "alerts_per_day": 1.0}, UsageError),
        ({"from_seconds": 3.0, "to_seconds": 3.0}, UsageError),
        ({"sources": ("rtsp://camera/1",), "from_seconds": 3.0}, UsageError),
        ({"sources": ("rtsp://camera/1",), "start": 3.0}, UsageError),
        ({"sources": ("nowhere.mp4",)}, SourceMissingError),
        ({"bundle": "nonesuch"}, UnknownBundleError),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_refused(
    options: WatchOptions, change: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        plan_watch(replace(options, **change))


def test_a_live_camera_is_not_opened_while_planning(options: WatchOptions) -> None:
    plan = plan_watch(replace(options, sources=("rtsp://127.0.0.1:1/nobody-listens",)))
    assert not plan.ends
    assert plan.cameras[0].seconds is None
    assert plan.cameras[0].file_start is None


@pytest.mark.parametrize(
    ("begin", "end", "seconds"),
    [(None, None, 60), (10, None, 50), (None, 20, 20), (10, 20, 10), (50, 90, 10), (70, None, 0)],
)
def test_how_much_of_a_file_will_be_read(
    begin: float | None, end: float | None, seconds: float
) -> None:
    assert planned(FACTS, begin, end).seconds == seconds


def test_a_file_begins_on_the_millisecond_of_its_session() -> None:
    assert planned(FACTS, None, None).file_start == 1000.0

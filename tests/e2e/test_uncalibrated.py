"""A bundle that is not calibrated, through the commands: refused, watched with, listed."""

from pathlib import Path

import pytest

from tests.e2e.colour_bundle import make_colour_bundle, uncalibrated
from tests.e2e.conftest import watchword
from tests.e2e.media import GREY, RED, write_video


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    return uncalibrated(make_colour_bundle(data / "watchword" / "bundles" / "raw", name="raw"))


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    video = tmp_path_factory.mktemp("video") / "street.mp4"
    return write_video(video, [(GREY, 6), (RED, 4), (GREY, 10)])


@pytest.mark.parametrize("budget", [(), ("--alerts-per-day", "2")])
def test_watching_without_a_threshold_is_refused(
    street: Path, bundle: Path, budget: tuple[str, ...]
) -> None:
    done = watchword("watch", street, "--query", "red", "--bundle", bundle, *budget)
    assert done.code == 2
    assert "alerts a day cannot be promised" in done.err
    assert "--threshold" in done.err


def test_watching_with_a_threshold_finds_and_warns(street: Path, bundle: Path) -> None:
    words = ("--query", "red", "--bundle", bundle, "--threshold", "0.2", "--json")
    done = watchword("watch", street, *words)
    assert done.code == 0
    assert "warning: bundle raw is not calibrated" in done.err
    assert [alert["query"] for alert in done.alerts] == ["red"]
    assert 0.2 <= done.alerts[0]["score"] < 1


def test_it_is_listed_as_what_it_is(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(bundle.parents[2]))
    monkeypatch.setenv("COLUMNS", "200")
    listed = watchword("bundles", "list")
    assert listed.code == 0
    assert "alert budgets are refused, give thresholds" in listed.out

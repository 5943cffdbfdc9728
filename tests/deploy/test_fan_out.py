import pytest

import deploy.bench.fan_out
from deploy.bench.fan_out import FanOutOptions, _percentile, bench_fan_out
from deploy.errors import BenchError


def test_a_few_followers_are_told_everything() -> None:
    options = FanOutOptions(followers=6, rate=100.0, seconds=0.2, burst=30)
    figures = {figure.name: figure for figure in bench_fan_out(options)}
    assert figures["followers"].value == 6
    assert figures["followers lost"].value == 0
    assert figures["followers lost"].met
    delays = [figures[f"from commit to follower, p{percent}"].value for percent in (50, 95, 99)]
    assert 0 < delays[0] <= delays[1] <= delays[2]
    assert figures["server's processor time for each told"].value > 0
    assert figures["30 alerts at once, told"].value > 0


def test_a_machine_that_allows_too_few_files_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy.bench.fan_out, "allow_open_files", lambda: 256)
    with pytest.raises(BenchError, match="open files"):
        list(bench_fan_out(FanOutOptions(followers=1000)))


def test_percentiles() -> None:
    ascending = [float(number) for number in range(100)]
    assert [_percentile(ascending, percent) for percent in (0, 50, 99, 100)] == [0, 50, 99, 99]
    assert _percentile([7.0], 99) == 7.0

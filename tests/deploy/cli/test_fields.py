import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.fields import (
    listed,
    parse_duration,
    parse_labels,
    parse_since,
    refuse_together,
)
from deploy.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("1w", 604800)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_lengths_of_several_units(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-5s", "1h30", "10 20", "1y", "99999999w", "1e3", "."]
)
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)


@given(st.text())
def test_any_text_is_a_length_or_a_sentence(text: str) -> None:
    with suppress(UsageError):
        assert parse_duration(text) >= 0


def test_since_is_so_long_ago_or_a_time() -> None:
    assert parse_since("1970-01-01T00:01:00Z") == 60
    assert parse_since("1h") == pytest.approx(time.time() - 3600, abs=60)
    with pytest.raises(UsageError):
        parse_since("yesterday")


def test_labels() -> None:
    assert parse_labels(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    assert parse_labels(["a=b", "d="], removing=True) == {"a": "b", "d": None}


@pytest.mark.parametrize("pairs", [["a"], ["=b"], [" =b"], ["a=1", "a=2"]])
def test_what_is_no_label(pairs: list[str]) -> None:
    with pytest.raises(UsageError, match="--label"):
        parse_labels(pairs)


def test_a_list_is_given_or_not_or_given_as_empty() -> None:
    assert (listed([]), listed([""]), listed(["a", "b"])) == (None, [], ["a", "b"])


def test_options_that_exclude_each_other() -> None:
    refuse_together(paused=True, draft=False)
    with pytest.raises(UsageError, match="--alerts-per-day and --threshold exclude"):
        refuse_together(alerts_per_day=1, threshold=0.5)

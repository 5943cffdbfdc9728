import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import clock
from deploy.clock import clock_time, minutes_and_seconds, parse_offset, parse_utc
from deploy.errors import UsageError


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(clock).failed == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("12.5", 12.5), ("90", 90), ("1:30", 90), ("0:05.25", 5.25), ("2:00:00", 7200)],
)
def test_offsets(text: str, seconds: float) -> None:
    assert parse_offset(text) == seconds


@pytest.mark.parametrize("text", ["", "-3", "1:75", "1:60:00", "soon", "1:2:3:4", "nan", "1e3"])
def test_other_offsets_are_refused_with_the_value(text: str) -> None:
    with pytest.raises(UsageError, match=f"'{text}'"):
        parse_offset(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-03-01T08:00:00Z", 1740816000),
        ("2025-03-01T08:00:00", 1740816000),
        ("2025-03-01T10:00:00+02:00", 1740816000),
        ("2025-03-01T08:00:00.250Z", 1740816000.25),
    ],
)
def test_times(text: str, at: float) -> None:
    assert parse_utc(text) == at


@pytest.mark.parametrize("text", ["", "yesterday", "08:00", "1740816000.5"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no date and time"):
        parse_utc(text)


@given(st.floats(0, 4e9))
def test_what_is_printed_reads_back_to_the_second(at: float) -> None:
    assert parse_utc(clock_time(at)) == pytest.approx(at, abs=0.501)


@given(st.floats(0, 1e5))
def test_places_in_a_file_read_back_to_the_tenth(seconds: float) -> None:
    assert parse_offset(minutes_and_seconds(seconds)) == pytest.approx(seconds, abs=0.051)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (3599.99, "1:00:00.0"), (3661, "1:01:01.0")],
)
def test_places_in_a_file(seconds: float, text: str) -> None:
    assert minutes_and_seconds(seconds) == text

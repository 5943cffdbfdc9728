import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.errors import EmptyQueryError, LongQueryError, SensitivityError
from grounding.query_record import QueryRecord, Sensitivity
from grounding.query_registration import check_query_text, check_sensitivity, text_warnings
from grounding.query_text import LANGUAGE_WARNING


def test_a_text_is_tidied() -> None:
    assert check_query_text("  a red\n car ") == "a red car"
    with pytest.raises(EmptyQueryError):
        check_query_text(" ?! ")
    with pytest.raises(LongQueryError):
        check_query_text("red " * 200)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_probability_is_a_threshold(threshold: float) -> None:
    asked = Sensitivity(threshold=threshold)
    assert check_sensitivity(asked) is asked


@pytest.mark.parametrize("alerts", [1e-9, 1.0, 43_200])
def test_a_budget(alerts: float) -> None:
    assert check_sensitivity(Sensitivity(alerts_per_day=alerts)).alerts_per_day == alerts


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Sensitivity(), "exactly one"),
        (Sensitivity(alerts_per_day=1.0, threshold=0.5), "exactly one"),
        (Sensitivity(threshold=0.0), "'threshold' is 0"),
        (Sensitivity(threshold=1.0), "'threshold' is 1"),
        (Sensitivity(threshold=float("nan")), "'threshold' is nan"),
        (Sensitivity(alerts_per_day=0.0), "'alerts_per_day' is 0"),
        (Sensitivity(alerts_per_day=-1.0), "'alerts_per_day' is -1"),
        (Sensitivity(alerts_per_day=float("inf")), "'alerts_per_day' is inf"),
        (Sensitivity(alerts_per_day=float("nan")), "'alerts_per_day' is nan"),
    ],
)
def test_what_is_no_sensitivity(asked: Sensitivity, said: str) -> None:
    with pytest.raises(SensitivityError, match=said):
        check_sensitivity(asked)


def test_each_doubt_is_told_once() -> None:
    foreign = "un hombre en la calle"
    query = QueryRecord(query_id="a", text=foreign, negatives=("a red car", foreign))
    assert text_warnings(query) == [LANGUAGE_WARNING]
    assert text_warnings(QueryRecord(query_id="a", text="a red car")) == []

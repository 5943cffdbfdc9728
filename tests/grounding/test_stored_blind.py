import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.blind import BlindPeriod, blind_message
from grounding.stored_blind import merge_blind, read_blind, touch
from streamer.bus import BLIND, Record
from streamer.errors import RecordError
from tests.grounding.blind_times import periods, times


def blind(start: float, end: float, **fields: object) -> BlindPeriod:
    given_fields = {"camera_id": "yard", "start": start, "end": end, "reason": "stream"}
    return BlindPeriod(**(given_fields | fields))  # type: ignore[arg-type]


def records(*values: bytes | None) -> list[Record]:
    return [Record(BLIND.name, 0, at, "yard", one, (), 1.0) for at, one in enumerate(values)]


@given(periods, st.randoms(use_true_random=False))
def test_any_order_and_repetition_is_merged_alike(
    given_periods: list[BlindPeriod], chance: random.Random
) -> None:
    merged = merge_blind(given_periods)
    again = [*given_periods, *given_periods, *merged]
    chance.shuffle(again)
    assert sorted(merge_blind(again), key=repr) == sorted(merged, key=repr)
    assert times(merged) == times(given_periods)


@given(periods)
def test_what_is_merged_touches_nothing_of_its_sort(given_periods: list[BlindPeriod]) -> None:
    merged = merge_blind(given_periods)
    for number, one in enumerate(merged):
        for other in merged[:number]:
            alike = (one.camera_id, one.reason, one.queries) == (
                other.camera_id,
                other.reason,
                other.queries,
            )
            assert not (alike and touch(one, other))


def test_a_period_of_all_queries_and_some_is_one_of_all() -> None:
    assert merge_blind([blind(1, 2, queries=("a", "*"))]) == [blind(1, 2)]


def test_records_are_read() -> None:
    packed = blind_message(blind(1, 2, queries=("a",))).value
    assert read_blind(records(packed)) == [blind(1, 2, queries=("a",))]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"broken",
        *(
            msgspec.json.encode(period)
            for period in (
                blind(2, 2),
                blind(3, 2),
                blind(-1, 2),
                blind(1, 1e30),
                blind(1, 2, queries=()),
                blind(1, 2, camera_id="a\0b"),
            )
        ),
        b'{"camera_id":"yard","start":1,"end":1e999,"reason":"lag"}',
        b'{"camera_id":"yard","start":1,"end":2,"reason":"sleep"}',
    ],
)
def test_what_is_no_period_is_refused(value: bytes | None) -> None:
    good = blind_message(blind(1, 2)).value
    with pytest.raises(RecordError):
        read_blind(records(good, value))

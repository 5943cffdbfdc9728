from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from deploy.store import Store, pruning
from grounding.blind import BlindPeriod
from grounding.stored_blind import BlindFilter, QueryScope
from tests.deploy.store.records import blind
from tests.grounding.blind_times import periods, times

ALL = BlindFilter()


def kept(store: Store, wanted: BlindFilter = ALL) -> list[BlindPeriod]:
    return [one.period for one in store.blind_periods.page(wanted, None, 5000)]


def spans(found: Iterable[BlindPeriod]) -> list[tuple[float, float]]:
    return [(one.start, one.end) for one in found]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_order_and_repetition_leads_to_the_same_periods(
    store: Store, data: st.DataObject
) -> None:
    given_periods = data.draw(periods)
    store.prune(1e12)
    store.blind_periods.write(given_periods)
    once = kept(store)
    store.prune(1e12)
    assert kept(store) == []
    again = data.draw(st.permutations([*given_periods, *given_periods]))
    while again:
        count = data.draw(st.integers(1, len(again)))
        store.blind_periods.write(again[:count])
        again = again[count:]
    order = sorted(once, key=repr)
    assert sorted(kept(store), key=repr) == order
    assert times(once) == times(given_periods)


def test_a_period_grows_with_what_follows(store: Store) -> None:
    store.blind_periods.write([blind(100, 160)])
    (first,) = store.blind_periods.page(ALL, None, 9)
    store.blind_periods.write([blind(160.0004, 220), blind(400, 460)])
    last, grown = store.blind_periods.page(ALL, None, 9)
    assert (grown.period_id, grown.period) == (first.period_id, blind(100, 220))
    assert last.period == blind(400, 460)


def test_what_lies_between_makes_two_one(store: Store) -> None:
    store.blind_periods.write([blind(100, 160), blind(200, 260)])
    store.blind_periods.write([blind(150, 200)])
    assert kept(store) == [blind(100, 260)]


def test_only_what_is_alike_is_merged(store: Store) -> None:
    alike = [
        blind(100, 160),
        blind(160, 220, camera_id="gate"),
        blind(160, 220, reason="lag"),
        blind(160, 220, queries=("a",)),
        blind(160, 220, queries=("a", "b")),
    ]
    store.blind_periods.write(alike)
    store.blind_periods.write([blind(220, 230, queries=("b", "a", "b"))])
    assert len(kept(store)) == 5
    assert blind(160, 230, queries=("a", "b")) in kept(store)


def test_pages_begin_with_what_began_last(store: Store) -> None:
    store.blind_periods.write(
        [blind(at, at + 10, camera_id=name) for at in (100, 300) for name in "ab"]
    )
    first = store.blind_periods.page(ALL, None, 3)
    place = first[-1].period.start, first[-1].period_id
    rest = store.blind_periods.page(ALL, place, 3)
    assert [one.period.start for one in (*first, *rest)] == [300, 300, 100, 100]
    assert len({one.period_id for one in (*first, *rest)}) == 4


def test_they_are_found_by_camera_reason_and_time(store: Store) -> None:
    store.blind_periods.write(
        [blind(100, 200), blind(300, 400, reason="lag"), blind(500, 600, camera_id="gate")]
    )
    assert spans(kept(store, BlindFilter(camera_ids=("yard",)))) == [(300, 400), (100, 200)]
    assert spans(kept(store, BlindFilter(reasons=("lag", "overload")))) == [(300, 400)]
    assert spans(kept(store, BlindFilter(since=200.0, until=500.0))) == [(300, 400)]
    assert spans(kept(store, BlindFilter(since=199.0, until=501.0))) == spans(kept(store))


def test_a_query_missed_what_names_it_or_all_that_watch_the_camera(store: Store) -> None:
    store.blind_periods.write(
        [
            blind(100, 200),
            blind(300, 400, camera_id="gate-east"),
            blind(500, 600, queries=("red", "blue"), reason="overload"),
            blind(700, 800, queries=("redder",), reason="overload"),
        ]
    )

    def missed(**fields: object) -> list[tuple[float, float]]:
        scope = QueryScope(**({"query_id": "red", "cameras": ("*",)} | fields))  # type: ignore[arg-type]
        return spans(kept(store, BlindFilter(queries=(scope,))))

    assert missed() == [(500, 600), (300, 400), (100, 200)]
    assert missed(cameras=("gate-*",)) == [(500, 600), (300, 400)]
    assert missed(cameras=("yard", "gate")) == [(500, 600), (100, 200)]
    assert missed(since=250.0) == [(500, 600), (300, 400)]  # it was registered then
    assert missed(cameras=()) == [(500, 600)]  # it is gone: nobody knows what it watched
    assert missed(query_id="re_", cameras=()) == []
    assert missed(query_id='%"', cameras=()) == []


def test_old_ones_go_with_keep_days(store: Store) -> None:
    store.blind_periods.write([blind(100, 200), blind(300, 400)])
    assert store.prune(300.0) == 1
    assert kept(store) == [blind(300, 400)]


def test_of_too_many_those_that_ended_last_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"kind": "blind period"}
    name = "watchword_store_over_bound_total"
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    monkeypatch.setattr(pruning, "MOST_BLIND_PERIODS", 2)
    store.blind_periods.write([blind(100, 110), blind(300, 400), blind(200, 210)])
    store.blind_periods.write([blind(90, 100), blind(400, 500)])  # the first one grows
    assert store.prune(0.0) == 1
    assert spans(kept(store)) == [(300, 500), (200, 210)]
    assert REGISTRY.get_sample_value(name, labels) == before + 1
    assert store.prune(0.0) == 0

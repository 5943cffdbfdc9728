"""Scope as arrays is what each query says for itself."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grounding import scope as scope_module
from grounding.schedule import Hours, Schedule
from grounding.scope import Scope
from grounding.window import Window
from tests.grounding.worlds import query

MORNING = Schedule(hours=(Hours(begin="06:00", end="12:00"),))
BERLIN = Schedule(hours=(Hours(days=("mon", "tue"), begin="22:00", end="02:00"),), timezone="CET")
MONDAY = datetime(2024, 7, 1, tzinfo=UTC).timestamp()


def window(camera_id: str, at: float, is_film: bool = False) -> Window:
    empty = np.zeros((1, 1), np.float32)
    ones = np.ones(1, np.bool_)
    return Window(camera_id, 0, 0, 0, at - 2, at, 2.0, empty, ones, is_film=is_film)


def test_effective_from_the_first_window_that_ends_then_until_the_next_version() -> None:
    made = Scope()
    made.watch([query("q", until=100.0), query("q", version=2, effective_at=100.0)])
    ends = [window("yard", at) for at in (98.0, 99.9, 100.0, 102.0)]
    assert made.of(ends).tolist() == [[True, False], [True, False], [False, True], [False, True]]


def test_without_queries_or_windows() -> None:
    made = Scope()
    assert made.of([window("yard", 1.0)]).shape == (1, 0)
    made.watch([query()])
    assert made.of([]).shape == (0, 1)


def test_new_queries_forget_what_was_known_of_cameras() -> None:
    made = Scope()
    made.watch([query("a", cameras=("yard",))])
    assert made.of([window("yard", 1.0)]).all()
    made.watch([query("a", cameras=("gate",))])
    assert not made.of([window("yard", 1.0)]).any()


def test_what_is_remembered_is_bounded() -> None:
    made = Scope()
    made.watch([query("a", cameras=("cam-*",), schedule=MORNING)])
    many = [window(f"cam-{n}", 60.0 * n) for n in range(3 * scope_module.KEPT_CAMERAS)]
    made.of(many)
    assert len(made._by_camera) == scope_module.KEPT_CAMERAS
    assert len(made._by_minute) == scope_module.KEPT_MINUTES
    assert made.of([window("cam-0", 7 * 3600.0)]).all()


patterns = st.lists(st.sampled_from(["*", "yard", "gate-*", "*-2"]), min_size=1, max_size=2)
times = st.integers(0, 7 * 24 * 60).map(lambda minute: MONDAY + 60.0 * minute + 7.25)
drawn_queries = st.builds(
    lambda cameras, schedule, effective, until: query(
        cameras=tuple(cameras), schedule=schedule, effective_at=effective, until=until
    ),
    patterns,
    st.sampled_from([None, None, MORNING, BERLIN]),
    times | st.just(-np.inf),
    times | st.just(np.inf),
)
drawn_windows = st.builds(
    window, st.sampled_from(["yard", "gate-1", "gate-2"]), times, st.booleans()
)


@given(st.lists(drawn_queries, max_size=8), st.lists(drawn_windows, max_size=6))
def test_arrays_say_what_each_query_says(queries, windows) -> None:
    made = Scope()
    made.watch(queries)
    for _ in range(2):  # the second time out of memory
        found = made.of(windows)
        assert found.tolist() == [
            [one.watches(seen.camera_id, seen.seen_until, seen.is_film) for one in queries]
            for seen in windows
        ]

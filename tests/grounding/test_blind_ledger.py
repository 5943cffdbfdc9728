"""Every second of a camera is watched or blind, once, whatever becomes of its clips."""

from dataclasses import dataclass, replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from encoder.embedding import ClipEmbedding
from grounding.blind import BlindPeriod, Covered
from grounding.blind_ledger import KEPT_GONE, BlindLedger, Taken
from grounding.coverage import Coverage
from tests.grounding.worlds import SESSION, T0, embedding

GRACE = 120.0


def clip(index: int, session: int = SESSION, seen: float = 2.0, **fields: object) -> ClipEmbedding:
    """A clip of a session that begins so many milliseconds after the epoch."""
    made = embedding(index, session=session, seen=seen, clock_source="arrival")
    return replace(made, **fields)  # type: ignore[arg-type]


def drawn(periods: list[BlindPeriod]) -> list[tuple[str, float, float]]:
    return [(one.reason, round(one.start - T0, 3), round(one.end - T0, 3)) for one in periods]


def blind(*clips: ClipEmbedding, made: BlindLedger | None = None) -> list[tuple[str, float, float]]:
    made = made or BlindLedger(GRACE)
    for one in clips:
        made.take(one)
    return drawn(made.take_periods())


def test_a_stream_without_gaps_is_never_blind() -> None:
    assert blind(*(clip(index) for index in range(100))) == []


def test_clips_without_a_picture_are_the_streams_and_the_others_were_lost_on_the_way() -> None:
    #   0 1 | 2 3 | 4 5 | 6     of the four that are missing the newest two had no picture
    assert blind(clip(0), clip(1), clip(6, skipped=2)) == [("lag", 4, 8), ("stream", 8, 12)]


def test_the_first_clips_of_a_new_camera_are_owed() -> None:
    assert blind(clip(3, skipped=1)) == [("lag", 0, 4), ("stream", 4, 6)]


def test_a_session_that_is_met_in_its_middle_owes_nothing_before() -> None:
    assert blind(clip(75), clip(77)) == [("lag", 152, 154)]


def test_between_the_files_of_a_film_nothing_was_to_be_watched_but_inside_of_them() -> None:
    later = SESSION + 60_000
    found = blind(
        clip(0, clock_source="file"),
        clip(2, skipped=1, clock_source="file"),
        clip(1, later, skipped=1, watched_since=T0 + 1e6, clock_source="file"),
    )
    assert found == [("stream", 2, 4), ("stream", 60, 62)]


def test_between_sessions_nobody_watched_until_a_process_took_the_camera_up() -> None:
    later = SESSION + 60_000
    assert blind(clip(0), clip(0, later, watched_since=T0 + 50)) == [
        ("restart", 2, 50),
        ("stream", 50, 60),
    ]


@pytest.mark.parametrize("since", [0.0, T0 - 1000, T0 + 2])
def test_who_watched_all_the_time_or_never_said_leaves_a_gap_to_the_stream(since: float) -> None:
    later = clip(0, SESSION + 60_000, watched_since=since)
    assert blind(clip(0), later) == [("stream", 2, 60)]


def test_a_process_that_says_it_came_after_its_session_began_is_not_believed() -> None:
    assert blind(clip(0), clip(0, SESSION + 9_000, watched_since=T0 + 99)) == [("restart", 2, 9)]


def test_a_short_clip_counts_to_its_last_picture_where_its_session_ends() -> None:
    assert blind(clip(0, seen=0.5), clip(0, SESSION + 1_500)) == [("stream", 0.5, 1.5)]


def test_inside_a_session_a_short_clip_counts_whole() -> None:
    assert blind(clip(0, seen=0.5), clip(1), clip(2, seen=0.5), clip(4, skipped=1)) == [
        ("stream", 6, 8)
    ]


def test_sessions_that_touch_or_overlap_leave_nothing() -> None:
    assert blind(clip(0), clip(0, SESSION + 2_000), clip(0, SESSION + 2_500)) == []


def test_a_gap_below_the_milliseconds_of_sessions_is_none() -> None:
    assert blind(clip(0, seen=1.9995), clip(0, SESSION + 2_000)) == []


def test_repeated_and_fenced_clips_change_nothing() -> None:
    made = BlindLedger(GRACE)
    blind(clip(0), clip(5), made=made)
    before = made.covered("yard")
    for old in (clip(5), clip(2), clip(99, SESSION - 60_000)):
        assert made.take(old).seconds == 0
    assert made.covered("yard") == before
    assert made.take_periods() == []


def test_contiguous_periods_of_a_batch_are_one_and_of_two_batches_two() -> None:
    made = BlindLedger(GRACE)
    made.take(clip(0))
    made.skip("yard", made.take(clip(1)), ("a",), 1.0)
    made.skip("yard", made.take(clip(2)), ("a",), 1.0)
    made.skip("yard", made.take(clip(3)), ("a", "b"), 1.0)
    made.skip("yard", made.take(clip(5)), ("a",), 1.0)
    first = made.take_periods()
    made.skip("yard", made.take(clip(6)), ("a",), 1.0)
    assert [(one.reason, one.queries, one.start - T0, one.end - T0) for one in first] == [
        ("overload", ("a",), 2, 6),
        ("overload", ("a", "b"), 6, 8),
        ("lag", ("*",), 8, 10),
        ("overload", ("a",), 10, 12),
    ]
    assert drawn(made.take_periods()) == [("overload", 12, 14)]


def test_what_takes_no_time_is_not_told() -> None:
    made = BlindLedger(GRACE)
    made.skip("yard", Taken(T0, T0), ("a",), 1.0)
    assert made.take_periods() == []


def silent(made: BlindLedger, *times: float) -> list[tuple[str, float, float]]:
    for at in times:
        made.silence("yard", T0 + at)
    return drawn(made.take_periods())


def test_a_silent_camera_is_told_of_once_a_minute_up_to_the_grace() -> None:
    made = BlindLedger(GRACE)
    made.take(clip(0))
    assert silent(made, *range(3, 182)) == []
    assert silent(made, *range(182, 242)) == [("stream", 2, 62)]
    assert silent(made, *range(242, 302)) == [("stream", 62, 122)]


def test_who_has_only_just_begun_to_listen_calls_nobody_silent() -> None:
    made = BlindLedger(GRACE)
    made.restore("yard", Covered(SESSION, 0, T0 + 2))
    assert silent(made, 1000, 1119) == []
    assert silent(made, 1120) == [("stream", 2, 1000)]


def test_a_clip_ends_the_silence() -> None:
    made = BlindLedger(GRACE)
    made.take(clip(0))
    assert silent(made, 10, 129) == []
    made.take(clip(1))
    assert silent(made, 130, 249) == []
    assert silent(made, 250) == [("stream", 4, 130)]


def test_what_was_told_as_blind_stays_blind_when_its_clips_come_late() -> None:
    made = BlindLedger(GRACE)
    made.take(clip(0))
    assert silent(made, 3, 203) == [("stream", 2, 83)]
    late = [made.take(clip(index)).seconds for index in range(1, 43)]
    assert late == [0.0] * 40 + [1.0, 2.0]
    assert made.take_periods() == []


def test_a_camera_that_nobody_knows_is_not_silent() -> None:
    assert silent(BlindLedger(GRACE), 0, 1000) == []


def test_a_camera_that_was_forgotten_and_comes_back_was_blind() -> None:
    made = BlindLedger(GRACE)
    made.take(clip(0))
    made.forget("yard")
    assert made.covered("yard") is None
    assert blind(clip(0, SESSION + 3_600_000), made=made) == [("stream", 2, 3600)]


def test_memory_of_forgotten_cameras_is_bounded() -> None:
    made = BlindLedger(GRACE)
    for number in range(KEPT_GONE + 9):
        made.take(clip(0, camera_id=f"c{number}"))
        made.forget(f"c{number}")
    assert len(made._gone) == KEPT_GONE


def test_of_a_camera_that_another_worker_has_nothing_is_told() -> None:
    made = BlindLedger(GRACE)
    for camera in ("yard", "gate"):
        made.take(clip(0, camera_id=camera))
        made.take(clip(2, camera_id=camera))
    made.drop("yard")
    made.take(clip(4, camera_id="gate"))
    periods = made.take_periods()
    assert {one.camera_id for one in periods} == {"gate"}
    assert drawn(periods) == [("lag", 2, 4), ("lag", 6, 8)]
    assert made.covered("yard") is None


def seconds_of(reason: str) -> float:
    return REGISTRY.get_sample_value("watchword_blind_seconds_total", {"reason": reason}) or 0.0


def test_blind_seconds_are_counted_by_their_reason_and_by_the_share_of_queries() -> None:
    before = {reason: seconds_of(reason) for reason in ("lag", "stream", "restart", "overload")}
    made = BlindLedger(GRACE)
    made.take(clip(0))
    made.take(clip(4, skipped=1))
    made.skip("yard", made.take(clip(5)), ("a",), 0.25)
    made.take(clip(0, SESSION + 22_000, watched_since=T0 + 15))
    added = {reason: seconds_of(reason) - count for reason, count in before.items()}
    assert added == {"lag": 4.0, "stream": 2.0 + 7.0, "restart": 3.0, "overload": 0.5}


# Streams with everything that can happen to them, drawn on a grid of half seconds.

CELL = 0.5
CLIP_CELLS = 4


@dataclass(frozen=True)
class Visit:
    """A session: cells without it before, what becomes of each clip, and the last clip's length.

    `#` arrives, `_` had no picture, `x` was lost. A reader's process began `began` cells before
    the session; None: it did not say.
    """

    pause: int
    clips: str
    last_cells: int
    began: int | None


visits = st.builds(
    Visit,
    pause=st.integers(0, 24),
    clips=st.text("###_x", max_size=12).map(lambda text: "#" + text + "#"),
    last_cells=st.integers(1, CLIP_CELLS),
    began=st.none() | st.integers(0, 40),
)


def play(drawn_visits: list[Visit]) -> tuple[list[ClipEmbedding], list[str]]:
    """The clips that arrive, and what each cell up to the last one's end should be."""
    clips: list[ClipEmbedding] = []
    cells: list[str] = []
    for visit in drawn_visits:
        if clips:
            cells += _gap(visit, visit.pause)
        start, skipped = len(cells), 0
        since = 0.0 if visit.began is None else T0 + CELL * (start - visit.began)
        session = SESSION + int(1000 * CELL) * start
        for index, fate in enumerate(visit.clips):
            length = visit.last_cells if index == len(visit.clips) - 1 else CLIP_CELLS
            if fate == "#":
                if skipped:
                    cells[-CLIP_CELLS * skipped :] = ["stream"] * CLIP_CELLS * skipped
                one = clip(index, session, seen=length * CELL)
                clips.append(replace(one, skipped=skipped, watched_since=since))
            cells += (["seen"] if fate == "#" else ["lag"]) * length
            skipped = skipped + 1 if fate == "_" else 0
    return clips, cells


def _gap(visit: Visit, pause: int) -> list[str]:
    unread = 0 if visit.began is None else max(0, pause - visit.began)
    return ["restart"] * unread + ["stream"] * (pause - unread)


class Sums(Coverage):
    """Adds up what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.owed = self.evaluated = 0.0

    def note(self, camera_id: str, owed: float, evaluated: float) -> None:
        self.owed += owed
        self.evaluated += evaluated


# A batch: how many clips, whether old ones come again, whether the process dies before its commit.
batches = st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.booleans()), max_size=12)


@given(st.lists(visits, min_size=1, max_size=4), batches)
def test_watched_and_blind_time_is_all_time_with_the_right_reasons(
    drawn_visits: list[Visit], drawn_batches: list[tuple[int, bool, bool]]
) -> None:
    clips, cells = play(drawn_visits)
    told: list[BlindPeriod] = []
    sums, done = Sums(), 0
    made = BlindLedger(GRACE, sums)
    steps = iter(drawn_batches)
    while done < len(clips):
        size, again, dies = next(steps, (6, True, False))
        saved = msgspec.msgpack.encode(made.covered("yard"))
        noted = (sums.owed, sums.evaluated)
        for place in range(done, min(done + size, len(clips))):
            made.take(clips[place])
            for old in clips[: place + 1] if again else ():
                made.take(old)
        if dies:
            made = BlindLedger(GRACE, sums)
            sums.owed, sums.evaluated = noted
            restored = msgspec.msgpack.decode(saved, type=Covered | None)
            if restored is not None:
                made.restore("yard", restored)
            continue
        told += made.take_periods()
        done += size
    assert painted(told, len(cells)) == cells
    assert sums.owed == pytest.approx(CELL * len(cells))
    assert sums.evaluated == pytest.approx(CELL * cells.count("seen"))


def painted(periods: list[BlindPeriod], count: int) -> list[str]:
    """The cells the periods cover; overlaps are an error."""
    cells = ["seen"] * count
    for one in periods:
        first, last = round((one.start - T0) / CELL), round((one.end - T0) / CELL)
        assert first < last
        assert set(cells[first:last]) == {"seen"}, f"told twice: {one}"
        cells[first:last] = [one.reason] * (last - first)
    return cells


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=12))
def test_silence_and_late_clips_never_tell_a_second_twice(steps: list[tuple[int, bool]]) -> None:
    made, sums, now, index = BlindLedger(GRACE, Sums()), Sums(), T0 + 2, 0
    made._coverage = sums
    made.take(clip(0))
    periods: list[BlindPeriod] = []
    for seconds, comes in steps:
        for _ in range(0, seconds, 8):
            now += 8
            made.silence("yard", now)
        if comes:  # the clip that is due now, or one that is long late
            index = max(index + 1, int((now - T0) // 2) - 50)
            made.take(clip(index))
        periods += made.take_periods()
    covered = made.covered("yard")
    assert covered is not None
    assert sums.owed == pytest.approx(covered.until - T0)
    assert sum(one.end - one.start for one in periods) == pytest.approx(sums.owed - sums.evaluated)
    assert all(a.end <= b.start + 1e-6 for a, b in pairwise(periods))

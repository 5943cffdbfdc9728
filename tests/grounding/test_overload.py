"""When grounding counts as overloaded, in a simulated worker whose time is made up."""

import logging
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from encoder.embedding import ClipEmbedding
from grounding.config import OverloadSettings
from grounding.overload import LAST_STEP, NEWEST_OF, Overload, Work
from tests.grounding.worlds import embedding

SETTINGS = OverloadSettings()
CLIP = 2.0
BATCH, WINDOWS = 16, 8  # records read together, and windows evaluated together
OVERHEAD = 0.01  # seconds of a batch: polling and committing


@dataclass
class Worker:
    """Reads clips of live cameras and spends `pair_seconds` on each pair that is not left out.

    Every window has `pairs` pairs that pass the gate, of which a raised one lets 60 % through.
    """

    cameras: int
    pairs: int
    pair_seconds: float
    settings: OverloadSettings | None = SETTINGS
    now: float = 1000.0
    delivered: float = 0.0  # until then nothing is delivered: the broker pauses
    lags: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.overload = Overload(self.settings, lambda: self.now)
        self.waiting: deque[tuple[float, int]] = deque()
        self.made_until = self.now

    def work(self, seconds: float) -> "Worker":
        end = self.now + seconds
        while self.now < end:
            self._deliver()
            if self.waiting and self.now >= self.delivered:
                self._evaluate()
            else:
                self.now += 0.25
            self.overload.tick()
            self.steps.append(self.overload.step)
        return self

    def _deliver(self) -> None:
        while self.made_until + CLIP / self.cameras <= self.now:
            self.made_until += CLIP / self.cameras
            number = round(self.made_until * self.cameras / CLIP)
            self.waiting.append((self.made_until, number % self.cameras))

    def _evaluate(self) -> None:
        most = NEWEST_OF if self.overload.step == LAST_STEP else BATCH
        taken = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        lag = self.now - taken[0][0]
        self.lags.append(lag)
        newest = {camera: place for place, (_, camera) in enumerate(taken)}
        older = set(range(len(taken))) - set(newest.values())
        unseen = older if self.overload.relief.newest_only else set()
        for first in range(0, len(taken), WINDOWS):
            places = range(first, min(first + WINDOWS, len(taken)))
            clips = [live(f"camera-{taken[place][1]}") for place in places]
            with self.overload.measured(clips, len(clips), lag) as work:
                self._evaluate_windows(work, len(clips), len(unseen.intersection(places)))
        self.now += OVERHEAD

    def _evaluate_windows(self, work: Work, windows: int, unseen: int) -> None:
        relief = self.overload.relief
        raised = self.pairs * 6 // 10 if relief.threshold_delta else self.pairs
        kept = raised if relief.pairs is None else min(raised, relief.pairs)
        work.looked_at = windows - unseen
        work.left_out[1] = work.looked_at * (self.pairs - raised)
        work.left_out[2] = work.looked_at * (raised - kept)
        work.left_out[3] = unseen
        work.pairs = work.looked_at * kept
        work.detector_seconds = work.pairs * self.pair_seconds
        self.now += work.detector_seconds


def live(camera_id: str) -> ClipEmbedding:
    return embedding(0, camera_id=camera_id, clock_source="arrival")


def worker(load: float, cameras: int = 10, pairs: int = 20, **fields: object) -> Worker:
    """One that needs `load` seconds for a second of its cameras."""
    seconds = (load * CLIP / cameras - OVERHEAD / BATCH) / pairs
    return Worker(cameras, pairs, seconds, **fields)  # type: ignore[arg-type]


@settings(max_examples=25)
@given(st.floats(0.1, 0.97), st.integers(1, 40), st.integers(1, 30), st.lists(st.integers(1, 90)))
def test_who_is_fast_enough_catches_up_and_never_leaves_anything_out(
    load: float, cameras: int, pairs: int, pauses: list[int]
) -> None:
    made = worker(max(load, 2 * OVERHEAD * cameras / BATCH / CLIP), cameras, pairs)
    for pause in [60, *pauses[:3]]:  # the broker pauses, again and again, before all is read
        made.delivered = made.now + pause
        made.work(pause + 45.0)
    assert set(made.steps) == {0}


def test_a_backlog_is_worked_off() -> None:
    made = worker(0.8)
    made.delivered = made.now + 60
    made.work(400)
    assert max(made.lags) > 59
    assert max(made.lags[-20:]) < 3
    assert set(made.steps) == {0}


@settings(max_examples=15)
@given(st.floats(1.1, 8.0), st.integers(2, 20), st.integers(4, 30))
def test_who_is_too_slow_takes_steps_until_it_keeps_up_and_takes_them_back_later(
    load: float, cameras: int, pairs: int
) -> None:
    made = worker(load, cameras, pairs)
    usual, period = made.pair_seconds, SETTINGS.period_seconds + WINDOWS * load * CLIP / cameras
    made.work(600)
    assert made.overload.step >= 1
    assert made.steps == sorted(made.steps)  # up, and never back while the load stays
    assert max(made.lags) < SETTINGS.limit_seconds + 6 * period
    newest = cameras * min(pairs, SETTINGS.pairs) * usual  # seconds for a window of each camera
    settled = max(made.lags[-20:]) < 2 * max(SETTINGS.limit_seconds, newest)
    assert settled or made.lags[-1] < made.lags[-20]  # just fast enough: still catching up
    made.pair_seconds = 0.3 * usual / load
    made.steps.clear()
    made.work(400)
    assert made.steps == sorted(made.steps, reverse=True)
    assert made.overload.step == 0
    assert max(made.lags[-20:]) < SETTINGS.limit_seconds / 2


def test_each_step_is_enough_for_some_load() -> None:
    assert [worker(load).work(600).overload.step for load in (0.9, 1.4, 2.2, 6.0)] == [0, 1, 2, 3]


def test_a_load_that_comes_and_goes_does_not_make_the_step_flap() -> None:
    made = worker(1.0)
    usual = made.pair_seconds
    for minute in range(30):
        made.pair_seconds = usual * (1.5 if minute % 2 else 1.2)
        made.work(60)
    changes = sum(a != b for a, b in zip(made.steps, made.steps[1:], strict=False))
    assert changes <= 2


def test_a_hiccup_is_no_overload() -> None:
    made = worker(0.5).work(60)
    usual = made.pair_seconds
    made.pair_seconds = 30 * usual
    made.work(12)
    made.pair_seconds = usual
    made.work(120)
    assert set(made.steps) == {0}


def test_without_settings_nothing_is_ever_left_out() -> None:
    made = worker(5.0, settings=None).work(120)
    assert made.overload.step == 0
    assert max(made.lags) > 60


def test_when_the_cameras_fall_silent_all_is_normal_again() -> None:
    made = worker(6.0).work(300)
    assert made.overload.step == LAST_STEP
    made.delivered = made.now + 10_000
    made.work(3 * SETTINGS.calm_seconds + 60)
    assert made.overload.step == 0


def test_files_between_live_clips_count_neither_as_work_nor_as_clips() -> None:
    now = 0.0
    made = Overload(SETTINGS, lambda: now)
    for _ in range(200):  # of 10 seconds only one is spent on the live clip
        with made.measured([live("yard")], 10, 100.0):
            now += 10.0
    assert made.step == 0


def test_each_change_is_said_once_and_told_as_a_metric(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "grounding.overload")
    made = worker(6.0).work(300)
    assert REGISTRY.get_sample_value("watchword_overload_step") == 3
    made.pair_seconds /= 100
    made.work(600)
    assert REGISTRY.get_sample_value("watchword_overload_step") == 0
    assert [record.message.split("overload step ")[1] for record in caplog.records] == [
        "1, no audits, and the gate's threshold is 1.0 logits higher",
        "2, only the 8 most salient pairs of a window are evaluated",
        "3, only each camera's newest window of a batch is evaluated",
        "2, only the 8 most salient pairs of a window are evaluated",
        "1, no audits, and the gate's threshold is 1.0 logits higher",
        "0, everything is evaluated again",
    ]
    assert "s behind and does not catch up" in caplog.records[0].message

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.training.footage import Event, Footage
from grounding.training.placement import draw_clips, place
from grounding.training.pools import Piece

FIGHT = Piece(Footage("f", "fights", "g", "video", 8.0, 17, shows=("fight",)), 0.0, 2.1, "fight")
FALL = Piece(
    Footage("f", "bed", "g", "video", 8.0, 33, events=(Event("fall", 1.0, 2.2),)), 1.0, 2.2, "fall"
)


def test_lengths_are_mixed_as_specified():
    random = np.random.default_rng(0)
    clips = np.array([draw_clips(random) for _ in range(20_000)])
    assert (clips <= 8).mean() == pytest.approx(0.30, abs=0.015)
    assert ((clips > 8) & (clips <= 40)).mean() == pytest.approx(0.40, abs=0.015)
    assert (clips > 40).mean() == pytest.approx(0.30, abs=0.015)
    assert clips.min() == 1
    assert clips.max() == 75


def test_two_fifths_are_cut_at_the_right_and_a_tenth_at_the_left():
    random = np.random.default_rng(0)
    cuts = [place(random, 80.0, FIGHT).cut for _ in range(10_000)]
    assert cuts.count("right") / len(cuts) == pytest.approx(0.40, abs=0.02)
    assert cuts.count("left") / len(cuts) == pytest.approx(0.10, abs=0.02)


def test_a_third_of_the_windows_end_within_three_clips_of_the_onset():
    random = np.random.default_rng(0)
    made = [place(random, 80.0, FIGHT) for _ in range(10_000)]
    assert np.mean([80.0 - p.start <= 6.0 for p in made]) >= 1 / 3 - 0.02


@given(st.integers(0, 2**32), st.integers(1, 75), st.sampled_from([FIGHT, FALL, None]))
def test_a_target_lies_inside_its_stream(seed: int, clips: int, target: Piece | None):
    seconds = 2.0 * clips
    placed = place(np.random.default_rng(seed), seconds, target)
    assert 0.0 <= placed.start <= placed.end <= seconds + 1e-9
    assert placed.seconds == seconds
    if target is not None:
        assert placed.end - placed.start > 0.0
    if target is FALL:
        assert placed.end - placed.start <= FALL.seconds + 1e-9  # an action has its own pace


@given(st.integers(0, 2**32), st.integers(5, 75))
def test_what_is_cut_touches_the_edge(seed: int, clips: int):
    placed = place(np.random.default_rng(seed), 2.0 * clips, FIGHT)
    assert (placed.cut == "right") == (placed.end == placed.seconds)
    if placed.cut == "left":
        assert placed.start == 0.0


def test_onsets_fall_anywhere_between_clips():
    random = np.random.default_rng(1)
    offsets = [place(random, 100.0, FIGHT).start % 2.0 for _ in range(500)]
    assert np.histogram(offsets, 4, (0.0, 2.0))[0].min() > 50

import numpy as np
import torch

from encoder.training.clip_features import ClipComposer, FrameStore
from encoder.training.motion_training import (
    ABSENT,
    PRESENT,
    LabelledClip,
    MotionData,
    MotionTraining,
    _by_time,
    train_motion,
)
from encoder.training.towers import MotionHead, TowerSettings

SETTINGS = TowerSettings(dims=16, text_dims=12, hidden=24, heads=4, motion_dims=16, dropout=0.0)
RISING = np.arange(8, dtype=np.int32)


def world() -> tuple[FrameStore, MotionData]:
    """Frames that all look alike; only the order in which they come tells two concepts apart."""
    random = np.random.default_rng(0)
    maps = np.zeros((8, 320, 3, 4), np.float16)
    maps[:, :, 1, 2] = np.arange(8)[:, None] * random.normal(size=320)
    store = FrameStore(np.full((8, 16), 0.3, np.float32), maps)
    axes = torch.eye(16)

    def draw(random: np.random.Generator, count: int) -> list[LabelledClip]:
        up = LabelledClip(RISING, np.array([PRESENT, ABSENT], np.int8))
        down = LabelledClip(RISING[::-1].copy(), np.array([ABSENT, PRESENT], np.int8))
        return [up if random.random() < 0.5 else down for _ in range(count)]

    data = MotionData(
        draw=draw,
        phrases=(axes[:1], axes[1:2]),
        timed=np.array([False, False]),
        still_rows=np.array([0, 1], np.int32),
        still_texts=axes[2:4, None],
    )
    return store, data


def test_two_events_that_differ_only_in_order_are_told_apart() -> None:
    store, data = world()
    torch.manual_seed(0)
    motion = MotionHead(SETTINGS)
    settings = MotionTraining(steps=120, clips=8, stills=2, backwards=0.0, frozen=0.0)
    lines: list[str] = []
    train_motion(motion, store, data, settings, lines.append)
    up, down = ClipComposer(store, motion).vectors(np.stack([RISING, RISING[::-1]]))
    assert up[0] > up[1]
    assert down[1] > down[0]
    assert lines


def test_backwards_and_frozen_undo_only_what_needs_time() -> None:
    _, data = world()
    timed = MotionData(
        data.draw, data.phrases, np.array([True, False]), data.still_rows, data.still_texts
    )
    clip = LabelledClip(RISING, np.array([PRESENT, PRESENT], np.int8))
    random = np.random.default_rng(0)
    backwards = _by_time(clip, timed, MotionTraining(backwards=1.0), random)
    assert backwards.rows.tolist() == RISING[::-1].tolist()
    frozen = _by_time(clip, timed, MotionTraining(backwards=0.0, frozen=1.0), random)
    assert len(set(frozen.rows.tolist())) == 1
    for changed in (backwards, frozen):
        assert changed.labels.tolist() == [ABSENT, PRESENT]
    untouched = _by_time(clip, timed, MotionTraining(backwards=0.0, frozen=0.0), random)
    assert untouched is clip

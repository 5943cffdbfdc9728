from pathlib import Path

import av
import numpy as np
import pytest

from deploy.bench.scene import SceneOptions, draw_scene, write_scene

SMALL = SceneOptions(width=96, height=64, fps=10, seconds=2.0, movers=2, bits_per_second=100_000)


def test_the_scene_has_the_length_and_size_asked_for() -> None:
    pictures = list(draw_scene(SMALL))
    assert len(pictures) == SMALL.frames == 20
    assert {picture.shape for picture in pictures} == {(64, 96, 3)}
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}


def test_the_scene_is_the_same_each_time() -> None:
    first = np.stack(list(draw_scene(SMALL)))
    again = np.stack(list(draw_scene(SMALL)))
    assert np.array_equal(first, again)


def test_something_moves_and_the_rest_stands_still() -> None:
    first, last = (np.stack(list(draw_scene(SMALL)))[[0, -1]]).astype(int)
    changed = np.abs(first - last).max(axis=-1) > 40
    assert 0.01 < changed.mean() < 0.6


@pytest.mark.parametrize("fps", [10, 25])
def test_the_file_decodes_to_as_many_frames(tmp_path: Path, fps: int) -> None:
    options = SceneOptions(width=96, height=64, fps=fps, seconds=1.0, movers=1)
    path = tmp_path / "scene.mp4"
    write_scene(path, options)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.average_rate) == (96, 64, fps)
        assert sum(1 for _ in container.decode(video)) == fps

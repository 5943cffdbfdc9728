"""An hour of video leaves no more in memory than a minute of it."""

import resource
from pathlib import Path

import pytest

from streamer.config import ReadOptions
from streamer.cut import cut_clips
from streamer.source import read_frames
from tests.streamer.media import SMALL, Video, write_video


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_hour_is_read_in_flat_memory(tmp_path: Path):
    path = write_video(tmp_path / "hour.mkv", Video(fps=2), 7200)
    clips = 0
    after_a_minute = 0.0
    for clip in cut_clips(read_frames(str(path), ReadOptions("yard", SMALL)), SMALL):
        clips += 1
        if clip.index == 30:
            after_a_minute = peak_megabytes()
    assert clips in (1800, 1801)
    assert peak_megabytes() - after_a_minute < 20

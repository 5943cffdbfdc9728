"""Every way of decoding beside the slow one: all pictures, all packets."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.clip import Clip, ClipFormat
from streamer.config import Decode, ReadOptions
from streamer.cut import cut_clips
from streamer.source import read_frames
from streamer.source_facts import ReadTally
from tests.streamer.coded import NO_B_FRAMES, Coded, write_coded
from tests.streamer.media import read_number

FORMAT = ClipFormat(frames=8, width=64, height=48)
DENSE = NO_B_FRAMES | {"g": "5"}
MJPEG = Coded("mjpeg", {}, "yuvj420p")
HEVC = Coded(
    "libx265", {"preset": "ultrafast", "x265-params": "bframes=3:keyint=50:log-level=none"}
)


def read(path: Path, decode: Decode) -> tuple[list[Clip], ReadTally]:
    tally = ReadTally()
    options = ReadOptions("yard", FORMAT, decode=decode, decode_threads=1)
    return list(cut_clips(read_frames(str(path), options, tally), FORMAT)), tally


def numbers(clip: Clip) -> NDArray[np.int64]:
    return np.array([read_number(pixels) for pixels in clip.frames])


@pytest.mark.parametrize(
    ("coded", "decode", "most"),
    [
        (Coded(), "nonref", 0.8),
        (Coded(), "auto", 0.8),
        (HEVC, "nonref", 0.8),
        (Coded(options=NO_B_FRAMES), "auto", 1.0),
        (Coded(options=DENSE), "auto", 0.35),  # key frames each 0.2 s
        (Coded(options=DENSE), "keyframes", 0.21),
        (MJPEG, "auto", 0.33),
    ],
)
def test_clips_are_the_same_but_for_a_few_hundredths(
    tmp_path: Path, coded: Coded, decode: Decode, most: float
):
    path = write_coded(tmp_path / "film.mkv", coded, 200)
    every, all_tally = read(path, "all")
    sparing, tally = read(path, decode)
    assert (all_tally.skipped, all_tally.packets) == (0, 201)
    assert tally.frames == tally.packets - 1 - tally.skipped <= most * 200
    assert tally.decode_errors == 0
    assert [clip.index for clip in sparing] == [clip.index for clip in every]
    for ours, theirs in zip(sparing, every, strict=True):
        # Half a frame's share of the clip, at 25 fps, is 3 pictures
        assert np.abs(numbers(ours) - numbers(theirs)).max() <= 4
        assert (np.diff(numbers(ours)) > 0).all()


def test_rare_key_frames_alone_leave_clips_short_and_say_so(tmp_path: Path):
    path = write_coded(tmp_path / "film.mkv", Coded(options=NO_B_FRAMES), 200)
    outcomes: Counter = Counter()
    options = ReadOptions("yard", FORMAT, decode="keyframes")
    clips = list(cut_clips(read_frames(str(path), options), FORMAT, outcomes))
    assert {read_number(pixels) for clip in clips for pixels in clip.frames} == {0, 50, 100, 150}
    assert outcomes["short"] == len(clips)
    assert outcomes["ok"] == 0


def test_a_key_frame_is_shown_before_the_next_one_comes(tmp_path: Path):
    """A decoder of a stream with B-frames waits for two more pictures: here, for 4 s."""
    path = write_coded(tmp_path / "film.mkv", Coded(), 150)
    tally = ReadTally()
    options = ReadOptions("yard", FORMAT, decode="keyframes", decode_threads=1)
    frames = read_frames(str(path), options, tally)
    for number in (0, 50, 100):
        assert read_number(next(frames).pixels) == number
        assert tally.packets - 3 <= number


def test_what_reading_costs_is_counted(tmp_path: Path):
    path = write_coded(tmp_path / "film.mkv", Coded(), 100)
    _, every = read(path, "all")
    _, few = read(path, "keyframes")
    assert 0 < few.decode_seconds < every.decode_seconds


def test_key_frames_of_all_kinds_are_found_and_nothing_is_lost(tmp_path: Path):
    """Where a scene changes x264 makes pictures that refer to none, and are no new beginning."""
    scenes = Coded(options=NO_B_FRAMES | {"sc_threshold": "40"})
    _, tally = read(write_coded(tmp_path / "film.mkv", scenes, 200), "auto")
    assert tally.skipped > 0
    assert tally.frames == tally.packets - 1 - tally.skipped

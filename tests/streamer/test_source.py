"""Reading files: every picture of a test video shows its number, so cutting is checked exactly."""

import gc
import os
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.clip import ClipFormat
from streamer.config import ReadOptions
from streamer.cut import cut_clips
from streamer.errors import (
    NotAVideoError,
    NoVideoTrackError,
    SourceAddressError,
    SourceFolderError,
    SourceMissingError,
    UndecodableError,
)
from streamer.frame import Frame
from streamer.resizing import KERNELS
from streamer.source import probe, read_frames
from streamer.source_facts import ReadTally
from tests.streamer.media import SMALL, START, Video, draw, read_number, write_sound, write_video

OPTIONS = ReadOptions("yard", SMALL)


def read(path: Path | str, **changes: object) -> list[Frame]:
    """All frames, their pixels made at once: a frame's picture is the decoder's."""
    frames = read_frames(str(path), replace(OPTIONS, **changes))
    return [replace(frame, picture=frame.pixels) for frame in frames]


def shown(frames: list[Frame]) -> list[int]:
    return [read_number(frame.pixels) for frame in frames]


def offsets(frames: list[Frame]) -> list[float]:
    return [round(frame.at - START, 3) for frame in frames]


def test_a_file_is_read_from_its_first_to_its_last_picture(tmp_path: Path):
    frames = read(write_video(tmp_path / "a.mp4", Video(), 45))
    assert shown(frames) == list(range(45))
    assert offsets(frames) == pytest.approx([i / 10 for i in range(45)])
    assert {frame.pixels.shape for frame in frames} == {(48, 64, 3)}
    assert {frame.clock_source for frame in frames} == {"file"}
    assert frames[0].camera_id == "yard"


def test_a_file_is_cut_exactly(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(), 45)
    outcomes: Counter = Counter()
    clips = list(cut_clips(read_frames(str(path), OPTIONS), SMALL, outcomes))
    # instants 0.25 0.75 1.25 1.75 of each clip; between two frames the earlier one
    numbers = [[read_number(pixels) for pixels in clip.frames] for clip in clips]
    assert [clip.index for clip in clips] == [0, 1, 2]
    for index, whole in enumerate(numbers[:2]):
        at = [n - 20 * index for n in whole]
        assert all(
            abs(n / 10 - t) <= 0.051 for n, t in zip(at, (0.25, 0.75, 1.25, 1.75), strict=True)
        )
    assert numbers[2][-1] == 44
    assert clips[2].seen_until == pytest.approx(START + 4.5, abs=0.01)
    assert outcomes["missing"] == 0


@pytest.mark.parametrize(
    "video",
    [
        Video(codec="libx264", pixel_format="yuv420p10le"),
        Video(codec="mpeg4"),
        Video(codec="mjpeg", pixel_format="yuvj444p"),
        Video(codec="libvpx-vp9"),
        Video(codec="libx265"),
        Video(codec="libx265", pixel_format="yuv420p10le"),
    ],
    ids=lambda video: f"{video.codec}-{video.pixel_format}",
)
def test_codecs_and_depths(tmp_path: Path, video: Video):
    if video.codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {video.codec}")
    frames = read(write_video(tmp_path / "a.mkv", video, 12))
    assert shown(frames) == list(range(12))


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_rotation_metadata_is_honoured(tmp_path: Path, degrees: int):
    path = write_video(tmp_path / "a.mp4", Video(rotation=degrees), 3)
    frames = read(
        path, clip_format=replace(SMALL, width=48, height=64) if degrees != 180 else SMALL
    )
    # FFmpeg's display rotation is counter-clockwise: so is np.rot90
    expected = np.rot90(draw(2, 64, 48), degrees // 90)
    difference = frames[2].pixels.astype(int) - expected
    assert np.abs(difference).mean() < 20
    assert frames[2].pixels.shape == expected.shape
    assert abs(probe(str(path), OPTIONS).rotation) == abs(degrees)


def test_variable_frame_rate_keeps_its_times(tmp_path: Path):
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 1.9, 2.3, 4.0]
    frames = read(write_video(tmp_path / "a.mp4", Video(fps=25), times))
    assert offsets(frames) == pytest.approx(times)
    assert shown(frames) == list(range(8))


def test_a_stream_without_stamps_runs_at_its_frame_rate(tmp_path: Path):
    path = write_video(tmp_path / "a.h264", Video(fps=25, created=None, container="h264"), 30)
    frames = read(path, start=START)
    assert len(frames) == 30
    steps = np.diff(offsets(frames))
    assert steps == pytest.approx([0.04] * 29, abs=1e-3)


def test_unordered_stamps_still_give_ordered_clips(tmp_path: Path):
    order = [base + step for base in range(0, 60, 3) for step in (0, 2, 1)]
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        for number, place in enumerate(order):
            frame = av.VideoFrame.from_ndarray(draw(number), "rgb24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            for packet in stream.encode(frame):
                packet.dts, packet.pts, packet.time_base = number, place + 2, Fraction(1, 10)
                container.mux(packet)
    outcomes: Counter = Counter()
    frames = read_frames(str(path), replace(OPTIONS, start=START))
    clips = list(cut_clips(frames, SMALL, outcomes))
    assert [clip.index for clip in clips] == [0, 1, 2]
    numbers = [read_number(pixels) for clip in clips for pixels in clip.frames]
    assert numbers == sorted(numbers)
    assert outcomes["missing"] == 0


def test_a_jump_in_the_stamps_begins_a_session(tmp_path: Path):
    times = [*(i / 10 for i in range(30)), *(100 + i / 10 for i in range(30))]
    path = write_video(tmp_path / "a.mkv", Video(), times)
    clips = list(cut_clips(read_frames(str(path), OPTIONS), SMALL))
    sessions = sorted({clip.session for clip in clips})
    assert [(s - START * 1000) / 1000 for s in sessions] == pytest.approx([0, 100])


def test_a_damaged_video_gives_what_decodes(tmp_path: Path):
    path = write_video(tmp_path / "a.mkv", Video(key_frame_every=5), 100)
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : third + 400] = os.urandom(400)
    path.write_bytes(content)
    tally = ReadTally()
    frames = list(read_frames(str(path), OPTIONS, tally))
    assert 50 < len(frames) < 101
    assert tally.frames == len(frames)


def test_a_packet_that_does_not_decode_is_counted(tmp_path: Path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "g": "1"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(30):
            for packet in stream.encode(av.VideoFrame.from_ndarray(draw(number), "rgb24")):
                broken = av.Packet(b"\0\0\0\1\x65" + b"\xff" * 40) if number == 10 else packet
                broken.stream, broken.time_base = stream, Fraction(1, 10)
                broken.pts = broken.dts = number
                container.mux(broken)
    tally = ReadTally()
    frames = read_frames(str(path), OPTIONS, tally)
    numbers = [read_number(frame.pixels) for frame in frames]
    assert tally.decode_errors >= 1
    assert set(numbers) >= set(range(30)) - {9, 10, 11} - set(range(27, 30))


def test_a_truncated_mp4_is_no_video(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(), 30)
    path.write_bytes(path.read_bytes()[:2000])  # the index stood at the end
    with pytest.raises(NotAVideoError, match="too damaged to open"):
        read(path)


def test_a_half_second_video_is_one_short_clip(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(), 5)
    outcomes: Counter = Counter()
    (clip,) = cut_clips(read_frames(str(path), OPTIONS), SMALL, outcomes)
    assert clip.seen_until - clip.start == pytest.approx(0.5, abs=0.01)
    assert outcomes["short"] == 1


def test_a_4k_video_is_resized_at_decode(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(width=3840, height=2160), 2)
    frames = read(path)
    assert shown(frames) == [0, 1]
    assert frames[0].pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("kernel", [name for name in KERNELS if not KERNELS[name].crop])
def test_kernels(tmp_path: Path, kernel: str):
    path = write_video(tmp_path / "a.mp4", Video(), 2)
    assert shown(read(path, clip_format=replace(SMALL, kernel=kernel))) == [0, 1]


@pytest.mark.parametrize(("rotation", "size"), [(0, (48, 64)), (90, (64, 48))])
def test_a_crop_keeps_proportions_also_of_a_turned_picture(
    tmp_path: Path, rotation: int, size: tuple[int, int]
):
    path = write_video(tmp_path / "a.mp4", Video(width=256, height=96, rotation=rotation), 2)
    kernel = "bilinear-unfiltered-crop"
    frames = read(path, clip_format=ClipFormat(4, size[1], size[0], kernel))
    (whole, *_) = read(path, clip_format=ClipFormat(4, *((256, 96) if not rotation else (96, 256))))
    middle = whole.pixels[:, 64:192] if not rotation else whole.pixels[64:192]
    wanted = middle[::2, ::2].astype(int)
    assert frames[0].pixels.shape == (*size, 3)
    assert np.abs(frames[0].pixels.astype(int) - wanted).mean() < 8


def test_frames_are_resized_only_when_looked_at(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(), 2)
    assert all(callable(frame.picture) for frame in read_frames(str(path), OPTIONS))


# -- where a file's clock begins --------------------------------------------------------------


def test_the_user_says_when_a_file_begins(tmp_path: Path):
    frames = read(write_video(tmp_path / "a.mp4", Video(), 2), start=5000.0)
    assert [frame.at for frame in frames] == pytest.approx([5000.0, 5000.1])


def test_without_creation_time_a_file_begins_when_it_was_modified(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(created=None), 2)
    os.utime(path, (4000.0, 4000.0))
    assert read(path)[0].at == pytest.approx(4000.0)
    assert probe(str(path), OPTIONS).start == pytest.approx(4000.0)


def test_a_creation_time_of_1970_is_not_believed(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(created="1970-01-01T00:00:00Z"), 2)
    os.utime(path, (4000.0, 4000.0))
    assert read(path)[0].at == pytest.approx(4000.0)


# -- from and to ------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [0.0, 0.05, 1.0, 1.35, 2.9])
def test_reading_begins_at_the_offset(tmp_path: Path, begin: float):
    path = write_video(tmp_path / "a.mp4", Video(key_frame_every=7), 30)
    frames = read(path, from_seconds=begin)
    assert shown(frames)[0] == int(np.ceil(begin * 10 - 1e-9))
    assert shown(frames)[-1] == 29
    assert offsets(frames)[0] == pytest.approx(shown(frames)[0] / 10)


def test_reading_ends_before_the_offset(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(), 30)
    assert shown(read(path, from_seconds=1.0, to_seconds=1.5)) == [10, 11, 12, 13, 14]


def test_a_file_that_cannot_seek_is_read_to_the_offset(tmp_path: Path):
    path = write_video(tmp_path / "a.h264", Video(fps=25, created=None, container="h264"), 50)
    frames = read(path, start=START, from_seconds=1.0)
    assert frames
    assert shown(frames)[-1] == 49


def test_an_offset_behind_the_end_is_said(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(), 10)
    with pytest.raises(SourceAddressError, match="no picture between 50 s and its end"):
        read(path, from_seconds=50.0)
    with pytest.raises(SourceAddressError, match="no picture between 0 s and 0 s"):
        read(path, to_seconds=0.0)


# -- globs ------------------------------------------------------------------------------------


def test_the_files_of_a_glob_follow_one_another(tmp_path: Path):
    write_video(tmp_path / "a.mp4", Video(), 25)
    write_video(tmp_path / "b.mp4", Video(), 25)
    pattern = f"{tmp_path}/*.mp4"
    frames = read_frames(pattern, replace(OPTIONS, start=START))
    clips = list(cut_clips(frames, SMALL))
    sessions = sorted({clip.session for clip in clips})
    assert [clip.index for clip in clips] == [0, 1, 0, 1]
    assert sessions[1] - sessions[0] == pytest.approx(2500, abs=1)
    assert probe(pattern, OPTIONS).seconds == pytest.approx(5.0, abs=0.2)


def test_offsets_into_a_glob_are_refused(tmp_path: Path):
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", Video(), 5)
    with pytest.raises(SourceAddressError, match="matches 2 files; --from and --to"):
        read(f"{tmp_path}/*.mp4", from_seconds=1.0)


# -- what is no video -------------------------------------------------------------------------


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(SourceMissingError, match="There is no file"):
        read(tmp_path / "none.mp4")


def test_a_folder(tmp_path: Path):
    with pytest.raises(SourceFolderError, match=r"is a folder: name a video in it, .*\*\.mp4"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["Dear diary,\n" * 100, "", "\0" * 5000])
def test_a_text_file_named_mp4(tmp_path: Path, text: str):
    path = tmp_path / "notes.mp4"
    path.write_text(text)
    with pytest.raises(NotAVideoError, match="not a video"):
        read(path)


def test_a_text_file_that_ffmpeg_would_draw(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary,\n" * 100)
    with pytest.raises(NotAVideoError, match="text file"):
        read(path)


def test_a_sound_file(tmp_path: Path):
    with pytest.raises(NoVideoTrackError, match="no video track \\(audio\\)"):
        read(write_sound(tmp_path / "a.m4a"))


def test_a_video_of_which_nothing_decodes(tmp_path: Path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.encode(av.VideoFrame.from_ndarray(draw(0), "rgb24"))
        for number in range(20):
            packet = av.Packet(b"\0\0\0\1\x41" + b"\xff" * 40)
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = number
            container.mux(packet)
    with pytest.raises(UndecodableError, match="Not one picture"):
        read(path)


def test_a_playlist_cannot_reach_the_network(tmp_path: Path):
    path = tmp_path / "a.m3u8"
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises((NotAVideoError, NoVideoTrackError, UndecodableError)):
        read(path)


def test_probing_tells_what_a_file_holds(tmp_path: Path):
    facts = probe(str(write_video(tmp_path / "a.mp4", Video(), 30)), OPTIONS)
    assert (facts.codec, facts.width, facts.height) == ("h264", 128, 96)
    assert facts.fps == pytest.approx(10.0)
    assert facts.seconds == pytest.approx(3.0, abs=0.15)
    assert facts.start == START
    assert not facts.live


# -- real footage -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "frames", "clips", "errors"),
    [
        ("car_passing.mp4", 377, 16, 0),
        ("highway.avi", 748, 15, 0),  # packed B-frames: presentation stamps go back
        ("hevc.mp4", 10, 1, 0),
        ("corrupted.mp4", 49, 3, 1),
    ],
)
def test_real_footage(shared: Path, name: str, frames: int, clips: int, errors: int):
    tally, outcomes = ReadTally(), Counter()
    cut = list(
        cut_clips(read_frames(str(shared / "clips" / name), OPTIONS, tally), SMALL, outcomes)
    )
    assert tally.frames == frames
    assert [clip.index for clip in cut] == list(range(clips))
    assert tally.decode_errors >= errors
    assert outcomes["missing"] == 0


def test_pictures_are_freed_without_tidying_up(tmp_path: Path):
    """Python tidies up after so many objects, not megabytes: hundreds of pictures would wait."""
    path = write_video(tmp_path / "a.mp4", Video(), 60)
    gc.collect()
    gc.disable()
    try:
        for frame in read_frames(str(path), OPTIONS):
            assert frame.pixels.size
        del frame
        assert gc.collect() < 60
    finally:
        gc.enable()

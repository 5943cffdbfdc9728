import csv
from pathlib import Path

import numpy as np
import pytest

from grounding.training.footage import FRAME_HEIGHT, FRAME_WIDTH
from grounding.training.frame_cache import open_frames, read_index, unpack, write_frames
from grounding.training.pictures import clusters, motion, read_crop, thumbnail
from grounding.training.sources import (
    active_span,
    read_accidents,
    read_falls_in_bedrooms,
    read_fights,
    read_up_fall,
)
from grounding.training.still_sources import read_fall_pictures, read_fires, read_flickr

SMALL = (48, 80)  # height, width of the media made here


def scene(seed: int) -> np.ndarray:
    """A background of its own: large random blocks."""
    blocks = np.random.default_rng(seed).integers(20, 235, (4, 5, 3), np.uint8)
    return blocks.repeat(SMALL[0] // 4, 0).repeat(SMALL[1] // 5, 1)


def moving(background: np.ndarray, frames: int, start: int, stop: int) -> np.ndarray:
    """A bright block that moves between two frames and rests before and after: [T, H, W, 3]."""
    video = np.repeat(background[None], frames, 0)
    for number in range(frames):
        at = min(max(number - start, 0), stop - start) * 3
        video[number, 10:30, at : at + 14] = 250
    return video


def write_video(path: Path, frames: np.ndarray, fps: int = 16) -> None:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = SMALL[1], SMALL[0], "yuv420p"
        stream.bit_rate = 4_000_000
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_picture(path: Path, pixels: np.ndarray) -> None:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = pixels.shape[1], pixels.shape[0], "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
def accidents(tmp_path: Path) -> Path:
    """Video test1 (frames 1-6) in both packs, which disagree on frame 4; test9 without a crash."""
    sorted_pack = tmp_path / "accident_cctv" / "pack" / "train"
    boxed_pack = tmp_path / "accident_boxes" / "pack" / "train"
    for number in range(1, 7):
        crashed = number >= 4
        folder = "accident" if crashed else "normal"
        write_picture(sorted_pack / folder / f"test1_{number}.jpg", scene(1))
        name = f"test1_{number}_jpg.rf.0ab{number}"
        write_picture(boxed_pack / "images" / f"{name}.jpg", scene(1))
        boxes = boxed_pack / "labels" / f"{name}.txt"
        boxes.parent.mkdir(parents=True, exist_ok=True)
        boxes.write_text("0 .5 .5 .1 .1" if number >= 5 else "")
    for number in range(3):
        write_picture(sorted_pack / "normal" / f"test9_{number}.jpg", scene(2))
    write_picture(sorted_pack / "accident" / "ezgif-frame-001.jpg", scene(3))
    return tmp_path


def test_the_two_accident_packs_are_merged_by_video(accidents: Path):
    crash, calm = [footage for footage, _ in read_accidents(accidents)]
    assert crash.id == "accident/test1"
    assert crash.frames == 5  # the packs disagree on frame 4
    (event,) = crash.events
    assert event.concept == "accident"
    assert (event.start, event.end) == (0.6, 1.0)
    assert calm.events == ()
    assert "accident" in calm.lacks
    assert "accident" not in crash.lacks


def test_two_videos_of_one_camera_are_one_group(accidents: Path):
    groups = {footage.id: footage.group for footage, _ in read_accidents(accidents)}
    assert groups["accident/test9"] == "accident/test8"


def test_dashcam_frames_of_two_mixed_videos_are_left_out(accidents: Path):
    assert all("ezgif" not in footage.id for footage, _ in read_accidents(accidents))


def test_fight_clips_of_one_camera_are_one_group(tmp_path: Path):
    folder = tmp_path / "fights" / "fights"
    write_video(folder / "fight" / "fi1.mp4", moving(scene(5), 32, 0, 8))
    write_video(folder / "noFight" / "nofi1.mp4", moving(scene(5), 32, 3, 9))
    write_video(folder / "fight" / "fi2.mp4", moving(scene(6), 32, 0, 8))
    items = {footage.id.split("/")[1]: footage for footage, _ in read_fights(tmp_path)}
    assert items["fi1"].group == items["nofi1"].group != items["fi2"].group
    assert items["fi1"].shows == ("fight",)
    assert "fight" in items["nofi1"].lacks
    assert items["fi1"].frames == 16  # two seconds at eight a second


def test_a_fall_out_of_bed_is_marked_in_time(tmp_path: Path):
    video = moving(scene(7), 64, 24, 36)  # moves from 1.5 s to 2.25 s
    write_video(tmp_path / "bed_falls" / "bed" / "fall" / "mage_fall_1.mp4", video)
    write_video(tmp_path / "bed_falls" / "bed" / "non_fall" / "mage_roll_1.mp4", video)
    fall, roll = [footage for footage, _ in read_falls_in_bedrooms(tmp_path)]
    before, falling, after = fall.events
    assert [e.concept for e in fall.events] == ["lying_in_bed", "fall", "lying"]
    assert falling.start == pytest.approx(1.5, abs=0.26)
    assert falling.end == pytest.approx(2.25, abs=0.26)
    assert before.end == falling.start
    assert after.start == falling.end
    assert after.end == fall.seconds
    assert {"fall", "lying"} <= set(roll.lacks)


@pytest.mark.parametrize(
    ("activity", "concepts"),
    [(3, {"standing", "fall", "lying"}), (6, {"walking"}), (9, {"standing", "picking_up"})],
)
def test_up_fall_is_one_group_with_its_activities(
    tmp_path: Path, activity: int, concepts: set[str]
):
    name = f"Activity{activity}_Subject1_Trial1Cam2.mp4"
    write_video(tmp_path / "up_fall" / "up_fall" / name, moving(scene(8), 64, 20, 32))
    ((footage, frames),) = list(read_up_fall(tmp_path))
    assert footage.group == "up_fall"
    assert {*footage.shows, *(e.concept for e in footage.events)} == concepts
    assert frames.shape == (footage.frames, FRAME_HEIGHT, FRAME_WIDTH, 3)
    assert frames.dtype == np.uint8
    assert not set(footage.lacks) & concepts


def test_pictures_of_falls_keep_the_group_they_come_from(tmp_path: Path):
    folder = tmp_path / "falls" / "falls"
    names = ("2018-07-04T12_06_24-055_cropped_0", "fall-01-cam0-rgb-050_cropped_0", "alone")
    for number, name in enumerate(names):
        write_picture(folder / "fall" / f"{name}.jpg", scene(10 + number))
    write_picture(folder / "not-fall" / "copy.jpg", scene(12))
    groups = {f.id.rsplit("/", 1)[1]: f.group for f, _ in read_fall_pictures(tmp_path)}
    assert groups[names[0]] == "up_fall"
    assert groups[names[1]] == "falls/urfd"
    assert groups["alone"] == groups["copy"]  # one photo twice


def test_a_crop_keeps_its_shape(tmp_path: Path):
    tall = np.full((80, 40, 3), 200, np.uint8)
    tall[:, :20] = 40
    write_picture(tmp_path / "tall.jpg", tall)
    (picture,) = read_crop(tmp_path / "tall.jpg")
    assert picture.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    inside = np.abs(picture[96].astype(int).mean(-1) - picture[96, 0].mean()) > 30
    assert inside.sum() == pytest.approx(FRAME_HEIGHT / 2, abs=4)


def test_fires_and_normal_pictures(tmp_path: Path):
    write_picture(tmp_path / "fire" / "fire" / "fire" / "a.jpg", scene(20))
    write_picture(tmp_path / "fire" / "fire" / "normal" / "b.jpg&w=1.jpg", scene(21))
    fire, normal = [footage for footage, _ in read_fires(tmp_path)]
    assert fire.shows == ("fire",)
    assert "fire" in normal.lacks
    assert fire.group != normal.group


def test_flickr8k_brings_captions_and_its_official_split(tmp_path: Path):
    folder = tmp_path / "flickr8k" / "flickr8k"
    for number, name in enumerate(("a.jpg", "b.jpg", "unlisted.jpg")):
        write_picture(folder / "images" / name, scene(30 + number))
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        rows.writerows([["a.jpg", "A dog runs ."], ["a.jpg", "A brown dog ."], ["b.jpg", "Snow"]])
    for split, names in (("train", "a.jpg"), ("dev", ""), ("test", "b.jpg")):
        (tmp_path / f"flickr8k_{split}.txt").write_text(names)
    first, second = [footage for footage, _ in read_flickr(tmp_path)]
    assert first.captions == ("A dog runs .", "A brown dog .")
    assert (first.split, second.split) == ("train", "test")


def test_active_span_finds_the_motion():
    still = np.zeros((40, FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8)
    for number in range(12, 20):
        still[number:, :, 10 * number : 10 * number + 60] = 20 * (number - 10)
    start, stop = active_span(still, 8.0)
    assert start == pytest.approx(11 / 8, abs=0.15)
    assert stop == pytest.approx(20 / 8, abs=0.15)


def test_motion_of_a_still_video_is_nothing():
    assert motion(np.full((5, FRAME_HEIGHT, FRAME_WIDTH, 3), 77, np.uint8)).max() == 0


def test_single_linkage_joins_a_chain():
    rows = np.array([[1.0, 0.0], [0.9, 0.436], [0.62, 0.785], [0.0, -1.0]], np.float32)
    labels = clusters(rows, 0.85)
    assert labels[0] == labels[1] == labels[2] != labels[3]


def test_a_thumbnail_is_of_the_background_not_of_what_passes():
    frames = np.random.default_rng(0).integers(0, 255, (1, FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8)
    video = np.repeat(frames, 9, 0)
    video[4] = 255
    np.testing.assert_allclose(thumbnail(video), thumbnail(frames), atol=1e-5)


def test_the_cache_gives_back_every_frame(accidents: Path, tmp_path: Path):
    items = list(read_accidents(accidents))
    index = write_frames(items, tmp_path / "cache")
    assert read_index(tmp_path / "cache") == index
    frames = open_frames(tmp_path / "cache")
    assert len(frames) == sum(footage.frames for footage in index)
    for footage, (_, pixels) in zip(index, items, strict=True):
        np.testing.assert_array_equal(frames[footage.row : footage.row + footage.frames], pixels)


def test_archives_are_unpacked_once(tmp_path: Path):
    import tarfile

    from grounding.training.frame_cache import ARCHIVES

    data, target = tmp_path / "data", tmp_path / "unpacked"
    data.mkdir()
    (data / "flickr8k_train.txt").write_text("a.jpg")
    for name in ARCHIVES:
        (tmp_path / "file.txt").write_text(name)
        with tarfile.open(data / f"{name}.tar", "w") as archive:
            archive.add(tmp_path / "file.txt", f"{name}/file.txt")
    unpack(data, target)
    assert (target / "fire" / "fire" / "file.txt").read_text() == "fire"
    assert (target / "flickr8k_train.txt").read_text() == "a.jpg"
    (data / "fire.tar").unlink()
    unpack(data, target)  # does not ask for what is there

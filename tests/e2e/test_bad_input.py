"""What cannot be meant is refused with a sentence and the right exit code; the rest is watched."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Done, watchword
from tests.e2e.media import BLUE, GREY, RED, Video, damage, write_sound, write_video

WRONG_USAGE = 2


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "street.mp4"
    return write_video(path, [(GREY, 6), (RED, 4), (GREY, 4)])


def refused(done: Done, *fragments: str) -> None:
    assert done.code == WRONG_USAGE, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    sentence = " ".join(done.err.replace("│", " ").split())
    for fragment in fragments:
        assert fragment in sentence


def watch(source: Path, colours: Path, *words: str | Path) -> Done:
    return watchword("watch", source, "--query", "red", "--bundle", colours, "--json", *words)


def test_a_missing_file(tmp_path: Path, colours: Path) -> None:
    missing = tmp_path / "nowhere.mp4"
    refused(watch(missing, colours), f"no file '{missing}'")


def test_a_folder(tmp_path: Path, colours: Path) -> None:
    refused(watch(tmp_path, colours), f"'{tmp_path}' is a folder")


def test_a_text_file_named_mp4(tmp_path: Path, colours: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("This is no video.\n" * 20)
    refused(watch(text, colours), str(text), "not a video")


def test_an_empty_file(tmp_path: Path, colours: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    refused(watch(empty, colours), str(empty))


def test_a_damaged_video_is_used_as_far_as_it_decodes(tmp_path: Path, colours: Path) -> None:
    scenes = [(RED, 6), (GREY, 24), (BLUE, 6), (GREY, 4)]
    whole = write_video(tmp_path / "whole.mp4", scenes)
    damaged = damage(whole, tmp_path / "damaged.mp4", 0.4, 0.6)
    done = watch(damaged, colours)
    assert done.code == 0, done.err
    assert "packets of damaged are damaged" in done.err
    assert [alert["start_seconds"] for alert in done.alerts] == [0.0]
    assert 1 < done.summary["blind_seconds"] < 30
    assert done.summary["clips"] < watch(whole, colours).summary["clips"] == 20


def test_a_video_without_a_video_track(tmp_path: Path, colours: Path) -> None:
    sound = write_sound(tmp_path / "sound.mp4")
    refused(watch(sound, colours), str(sound), "no video track")


def test_half_a_second(tmp_path: Path, colours: Path) -> None:
    short = write_video(tmp_path / "short.mp4", [(RED, 0.5)])
    done = watch(short, colours)
    assert done.code == 0, done.err
    (alert,) = done.alerts
    assert alert["start_seconds"] == 0.0
    assert alert["end_seconds"] == pytest.approx(0.5, abs=0.11)
    assert done.summary["clips"] == 1


def test_a_4k_video(tmp_path: Path, colours: Path) -> None:
    scenes = [(RED, 2), (GREY, 1)]
    large = write_video(tmp_path / "large.mp4", scenes, Video(size=(3840, 2160), fps=4))
    done = watch(large, colours)
    assert done.code == 0, done.err
    assert [alert["query"] for alert in done.alerts] == ["red"]


def test_an_unknown_bundle(video: Path) -> None:
    done = watchword("watch", video, "--query", "red", "--bundle", "nonesuch")
    refused(done, "'nonesuch'")


@pytest.mark.parametrize("name", ["video.onnx", "text.onnx", "detector.onnx", "tokenizer.json"])
def test_a_bundle_with_one_byte_changed(
    name: str, video: Path, colours: Path, tmp_path: Path
) -> None:
    changed = shutil.copytree(colours, tmp_path / "changed")
    content = bytearray((changed / name).read_bytes())
    content[len(content) // 2] ^= 1
    (changed / name).write_bytes(content)
    refused(watch(video, changed), name, "SHA-256")
    refused(watchword("bundles", "verify", changed), name, "SHA-256")


def test_a_bundle_whose_manifest_has_an_unknown_key(
    video: Path, colours: Path, tmp_path: Path
) -> None:
    changed = shutil.copytree(colours, tmp_path / "changed")
    manifest = changed / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"description"', '"colour": 1, "description"'))
    refused(watch(video, changed), "manifest", "colour")


@pytest.mark.parametrize("query", ["", "   ", "?!", "\n"])
def test_an_empty_query(query: str, video: Path, colours: Path) -> None:
    refused(watchword("watch", video, "--query", query, "--bundle", colours), "no words")


def test_no_query(video: Path, colours: Path) -> None:
    refused(watchword("watch", video, "--bundle", colours), "--query")


def test_no_source() -> None:
    refused(watchword("watch", "--query", "red"), "SOURCE")


def test_a_query_of_ten_thousand_characters(video: Path, colours: Path) -> None:
    done = watchword("watch", video, "--query", "a red car " * 1000, "--bundle", colours)
    refused(done, "characters")


@pytest.mark.parametrize(
    "query", ["ein rotes Auto fährt auf der Straße", "красная машина", "路上的红色汽车"]
)
def test_a_query_in_another_language_is_accepted_with_a_warning(
    query: str, video: Path, colours: Path
) -> None:
    done = watchword("watch", video, "--query", query, "--bundle", colours, "--json")
    assert done.code == 0, done.err
    assert "results are unreliable" in done.err
    assert query in done.err
    assert done.summary["queries"] == 1


@pytest.mark.parametrize("threshold", ["7", "0", "1", "-0.5", "nan"])
def test_a_threshold_that_is_no_probability(threshold: str, video: Path, colours: Path) -> None:
    done = watch(video, colours, "--threshold", threshold)
    refused(done, "threshold", f" {threshold}")


def test_a_threshold_that_is_no_number(video: Path, colours: Path) -> None:
    refused(watch(video, colours, "--threshold", "high"), "'--threshold'")


@pytest.mark.parametrize("budget", ["0", "-3", "nan"])
def test_an_alert_budget_that_means_nothing(budget: str, video: Path, colours: Path) -> None:
    refused(watch(video, colours, "--alerts-per-day", budget), budget, "positive")


def test_threshold_and_budget_exclude_each_other(video: Path, colours: Path) -> None:
    done = watch(video, colours, "--threshold", "0.5", "--alerts-per-day", "2")
    refused(done, "--threshold 0.5", "--alerts-per-day 2", "exclude")


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (("--from", "soon"), ("'soon'",)),
        (("--from", "9", "--to", "4"), ("--to 4 s", "--from 9 s")),
        (("--from", "1:00"), ("--from",)),
        (("--start", "yesterday"), ("'yesterday'",)),
        (("--output", "/no/such/folder/alerts.jsonl"), ("--output", "/no/such/folder")),
        (("--nonsense",), ("--nonsense",)),
    ],
)
def test_other_options_that_cannot_be_meant(
    words: tuple[str, ...], fragments: tuple[str, ...], video: Path, colours: Path
) -> None:
    refused(watch(video, colours, *words), *fragments)


def test_the_output_never_overwrites_the_source(video: Path, colours: Path) -> None:
    before = video.read_bytes()
    refused(watch(video, colours, "--output", video), "--output")
    assert video.read_bytes() == before


def test_an_unknown_scheme(colours: Path) -> None:
    done = watchword("watch", "gopher://camera/1", "--query", "red", "--bundle", colours)
    refused(done, "gopher")


def test_a_url_that_is_none(colours: Path) -> None:
    refused(watchword("watch", "http://[", "--query", "red", "--bundle", colours), "is no URL")


def test_one_bad_source_among_good_ones_is_refused_before_anything_runs(
    video: Path, colours: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "gone.mp4"
    done = watchword("watch", video, missing, "--query", "red", "--bundle", colours, "--json")
    refused(done, str(missing))

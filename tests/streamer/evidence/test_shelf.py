"""Every shelf: files appear whole, can be listed, fetched and removed."""

import errno
import itertools
import os
import sys
from pathlib import Path

import pytest

from streamer.errors import EvidenceMissingError, EvidenceStorageError
from streamer.evidence.find import find_segments, newest_snapshot
from streamer.evidence.recorder import EvidenceRecorder
from streamer.evidence.shelf import Entry, Shelf, open_shelf
from tests.streamer.evidence.recording import (
    config_of,
    feed,
    make_video,
    names_in,
    numbers_in,
    segments_in,
)
from tests.streamer.media import START, Video

numbers = itertools.count()


@pytest.fixture(params=["folder", "memory", "local by fsspec"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param == "folder":
        return open_shelf(str(tmp_path / "shelf"))
    if request.param == "memory":
        return open_shelf(f"memory://shelf-{next(numbers)}/evidence")
    from streamer.evidence.remote_shelf import RemoteShelf

    return RemoteShelf(f"local://{tmp_path}/shelf")  # a store in which parts of files can be seen


def test_what_is_put_can_be_had(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    shelf.put(path, "yard/day/hour/1.mkv")
    shelf.put_bytes(b"two", "yard/day/hour/2.jpg")
    assert not path.exists()
    assert shelf.files("yard/day/hour") == [
        Entry("yard/day/hour/1.mkv", 3),
        Entry("yard/day/hour/2.jpg", 3),
    ]
    assert shelf.folders("") == ["yard"]
    assert shelf.folders("yard") == ["day"]
    assert shelf.files("yard") == []
    with shelf.opened("yard/day/hour/1.mkv") as found:
        assert found.read_bytes() == b"one"


def test_a_file_takes_the_place_of_another(shelf: Shelf) -> None:
    shelf.put_bytes(b"one", "a/b")
    shelf.put_bytes(b"three", "a/b")
    assert shelf.files("a") == [Entry("a/b", 5)]


@pytest.mark.parametrize("kind", ["folder", "local by fsspec"])
def test_nothing_is_left_of_what_was_not_taken(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    url = str(tmp_path / "shelf") if kind == "folder" else f"local://{tmp_path}/shelf"
    shelf = open_shelf(url)
    shelf.put_bytes(b"one", "a/b")
    if kind == "folder":
        monkeypatch.setattr("os.replace", refuse)
    else:
        monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.mv", refuse)
    with pytest.raises(EvidenceStorageError, match="No space left"):
        shelf.put_bytes(b"two", "a/c")
    assert [path.name for path in (tmp_path / "shelf" / "a").iterdir()] == ["b"]


def test_a_file_of_another_disk_is_copied_and_nothing_is_left_if_it_finds_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    def fill_up(_source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    shelf, path = open_shelf(str(tmp_path / "shelf")), tmp_path / "file"
    path.write_bytes(b"whole")
    with monkeypatch.context() as full:
        full.setattr("shutil.copyfile", fill_up)
        with pytest.raises(EvidenceStorageError, match="No space left"):
            shelf.put(path, "a/b")
    assert not list((tmp_path / "shelf" / "a").iterdir())
    shelf.put(path, "a/b")
    assert shelf.files("a") == [Entry("a/b", 5)]
    assert not path.exists()


def test_what_is_not_whole_is_found_apart(tmp_path: Path) -> None:
    for shelf in (open_shelf(str(tmp_path)), open_shelf(f"local://{tmp_path}")):
        shelf.put_bytes(b"one", "a/b")
        (tmp_path / "a" / "c.new").write_bytes(b"half")
        assert shelf.files("a") == [Entry("a/b", 3)]
        assert shelf.unfinished("a") == ["a/c.new"]
        assert shelf.unfinished("nowhere") == []
        shelf.remove("a/c.new")
        assert shelf.unfinished("a") == []


def test_what_is_not_there(shelf: Shelf) -> None:
    assert shelf.files("nowhere/at/all") == []
    assert shelf.folders("nowhere") == []
    shelf.remove("nowhere/at/all")
    with pytest.raises(EvidenceMissingError), shelf.opened("nowhere/at/all"):
        pass


def test_files_and_folders_are_removed(shelf: Shelf) -> None:
    for name in ("a/b/c", "a/b/d", "a/e/f"):
        shelf.put_bytes(b"x", name)
    shelf.remove("a/b/c")
    assert shelf.files("a/b") == [Entry("a/b/d", 1)]
    shelf.remove("a/b")
    assert shelf.folders("a") == ["e"]
    assert shelf.files("a/e") == [Entry("a/e/f", 1)]


def test_a_camera_is_recorded_there_and_found_again(shelf: Shelf, tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", Video(), 60)
    recorder = EvidenceRecorder("yard", config_of(tmp_path / "open"), shelf)
    feed(video, recorder)
    recorder.close()
    assert recorder.tally.faults == 0, recorder.tally
    segments = segments_in(shelf)
    assert find_segments(shelf, "yard", START, START + 6) == segments
    assert find_segments(shelf, "yard", START + 1000, START + 2000) == []
    assert find_segments(shelf, "gate", START, START + 6) == []
    shown = []
    for segment in segments:
        with shelf.opened(segment.name) as path:
            shown += numbers_in(path)
    assert shown == list(range(60))
    assert newest_snapshot(shelf, "yard").at_ms == segments[-1].start_ms
    assert not [name for name in names_in(shelf) if not name.endswith((".mkv", ".jpg"))]


def test_a_camera_without_snapshots(shelf: Shelf) -> None:
    with pytest.raises(EvidenceMissingError, match="no snapshot of camera 'gate'"):
        newest_snapshot(shelf, "gate")


def test_an_unknown_kind_of_storage_is_a_sentence() -> None:
    with pytest.raises(EvidenceStorageError, match=r"storage.evidence.url 'flop://there'.*flop"):
        open_shelf("flop://there")


def test_without_fsspec_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(EvidenceStorageError, match="pip install fsspec"):
        open_shelf("memory://there")


def test_secrets_of_an_address_are_not_told() -> None:
    with pytest.raises(EvidenceStorageError) as told:
        open_shelf("flop://user:secret@there")
    assert "secret" not in str(told.value)

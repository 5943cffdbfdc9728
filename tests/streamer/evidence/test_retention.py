"""What has to go is planned without looking at any disk, and goes, the oldest first."""

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streamer.errors import EvidenceStorageError
from streamer.evidence.kept_clips import ABOUT, KEPT, KeptClip, clip_folder, surplus
from streamer.evidence.local_shelf import LocalShelf
from streamer.evidence.metrics import StorageMetrics
from streamer.evidence.names import HOUR_SECONDS, Segment, Snapshot, begun_at, hour_folders
from streamer.evidence.retention import Limits, plan_retention
from streamer.evidence.shelf import Entry
from streamer.evidence.sweeper import Sweeper
from tests.streamer.evidence.recording import config_of, names_in
from tests.streamer.media import START


def entry(camera: str, second: int, size: int, snapshot: bool = False) -> Entry:
    ms = round(START * 1000) + second * 1000
    kind = Snapshot(ms, ms, camera) if snapshot else Segment(ms, ms + 10_000, ms, camera)
    return Entry(kind.name, size)


ENTRIES = st.lists(
    st.builds(
        entry,
        st.sampled_from(["yard", "gate-1", "0"]),
        st.integers(0, 200_000),
        st.integers(0, 1000),
        st.booleans(),
    ),
    max_size=40,
    unique_by=lambda one: one.name,
)


@given(ENTRIES, st.integers(-10, 200_010), st.integers(-100, 20_000))
def test_the_plan(entries: list[Entry], oldest: int, most_bytes: int) -> None:
    plan = plan_retention(entries, Limits(START + oldest, most_bytes))
    gone = [*plan.too_old, *plan.too_many]
    sizes = {one.name: one.size for one in entries}
    left = sizes.keys() - set(gone)
    assert len(set(gone)) == len(gone)
    assert set(gone) <= sizes.keys()
    assert plan.kept_bytes == sum(sizes[name] for name in left)
    assert plan.kept_bytes <= max(0, most_bytes)
    assert all((at := begun_at(name)) is not None and at < START + oldest for name in plan.too_old)
    assert all((at := begun_at(name)) is not None and at >= START + oldest for name in left)
    # The oldest go first, and not one more than has to
    times = [begun_at(name) or 0.0 for name in gone]
    assert times == sorted(times)
    assert all((begun_at(name) or 0.0) >= max(times, default=0.0) for name in left)
    if plan.too_many:
        assert plan.kept_bytes + sizes[plan.too_many[-1]] > most_bytes


def test_files_of_somebody_else_are_left_alone() -> None:
    foreign = [Entry("yard/2023-11-14/22/holiday.mkv", 10**9), Entry("notes.txt", 10**9)]
    plan = plan_retention(foreign, Limits(START + 10**9, 0))
    assert (plan.too_old, plan.too_many, plan.kept_bytes) == ((), (), 0)


def test_hours_hold_every_second() -> None:
    folders = list(hour_folders("yard", START - HOUR_SECONDS, START + HOUR_SECONDS))
    assert folders == ["yard/2023-11-14/21", "yard/2023-11-14/22", "yard/2023-11-14/23"]


class Disk(LocalShelf):
    free: int | None = None
    listed = 0
    fault = False

    def files(self, folder: str) -> list[Entry]:
        self.listed += 1
        if self.fault:
            raise EvidenceStorageError("The disk is gone.")
        return super().files(folder)

    def free_bytes(self) -> int | None:
        return self.free


def fill(shelf: LocalShelf, seconds: range, camera: str = "yard") -> list[str]:
    names = [entry(camera, second, 0).name for second in seconds]
    for name in names:
        shelf.put_bytes(b"x" * 100, name)
    return names


def sweeper_of(shelf: Disk, folder: Path, now: float, **limits: object) -> Sweeper:
    config = replace(config_of(folder), **limits)  # type: ignore[arg-type]
    return Sweeper(config, shelf, StorageMetrics(CollectorRegistry()), lambda: now)


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_oldest_go_by_age_over_all_cameras(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    fill(shelf, range(0, 7200, 600), "gate")
    fill(shelf, range(0, 7200, 600))
    shelf.put_bytes(b"kept", "_alerts/2023-11-14/a/clip.mp4")
    plan = sweeper_of(shelf, tmp_path, START + 7200, keep_seconds=3600.0).sweep()
    assert len(plan.too_old) == 12
    left = names_in(shelf)
    assert len(left) == 13
    assert "_alerts/2023-11-14/a/clip.mp4" in left
    assert all(at >= START + 3600 for name in left if (at := begun_at(name)) is not None)
    assert not (tmp_path / "yard/2023-11-14/22").exists()  # empty folders go, too


def test_the_oldest_go_by_size(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    names = fill(shelf, range(0, 100, 10))
    sweeper_of(shelf, tmp_path, START + 100, keep_bytes=350).sweep()
    assert names_in(shelf) == names[-3:]


def test_the_oldest_go_so_that_the_disk_has_room(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    names = fill(shelf, range(0, 100, 10))
    shelf.free = 700
    sweeper_of(shelf, tmp_path, START + 100, keep_free_bytes=1000).sweep()
    assert names_in(shelf) == names[3:]


def keep_clips(shelf: LocalShelf, seconds: range, size: int = 100) -> list[str]:
    """A clip for each of the seconds; their folders."""
    folders = [clip_folder(START + second, f"{second}") for second in seconds]
    for folder in folders:
        shelf.put_bytes(b"x" * (size - 1), f"{folder}/clip.mp4")
        shelf.put_bytes(b"{", f"{folder}/{ABOUT}")
    return folders


def folders_in(shelf: LocalShelf) -> list[str]:
    return sorted({name.rpartition("/")[0] for name in names_in(shelf, KEPT)})


def test_clips_of_alerts_count_and_leave_half_to_the_rest(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    names = fill(shelf, range(0, 100, 10))
    kept = keep_clips(shelf, range(0, 40, 10))
    registry = CollectorRegistry()
    config = replace(config_of(tmp_path), keep_bytes=1000)
    sweeper = Sweeper(config, shelf, StorageMetrics(registry), lambda: START + 100)
    sweeper.sweep()  # 400 bytes of clips: the rest may take 600
    assert names_in(shelf, "yard") == names[-6:]
    assert folders_in(shelf) == kept
    kept += keep_clips(shelf, range(40, 90, 10))
    sweeper.sweep()  # 900 bytes of clips: both may take 500
    assert names_in(shelf, "yard") == names[-5:]
    assert folders_in(shelf) == kept[-5:]
    assert registry.get_sample_value("watchword_evidence_stored_bytes") == 1000
    removed = "watchword_evidence_removed_total"
    assert registry.get_sample_value(removed, {"reason": "size"}) == 5 + 4


def test_clips_may_take_what_nobody_else_does(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    names = fill(shelf, range(0, 20, 10))
    kept = keep_clips(shelf, range(0, 100, 10))
    sweeper_of(shelf, tmp_path, START + 100, keep_bytes=1000).sweep()
    assert names_in(shelf, "yard") == names
    assert folders_in(shelf) == kept[-8:]


def test_clips_go_so_that_the_disk_has_room(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    kept = keep_clips(shelf, range(0, 100, 10))
    shelf.free = 700
    sweeper_of(shelf, tmp_path, START + 100, keep_free_bytes=1000).sweep()
    assert folders_in(shelf) == kept[3:]


def test_clips_that_are_whole_are_listed_once(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    day = 24 * 3600
    kept = keep_clips(shelf, range(0, 4 * day, day))
    (half,) = keep_clips(shelf, range(4 * day + 1, 4 * day + 2))
    shelf.remove(f"{half}/{ABOUT}")
    sweeper = sweeper_of(shelf, tmp_path, START + 4 * day, keep_bytes=450)
    sweeper.sweep()
    assert folders_in(shelf) == [*kept[1:], half]
    shelf.listed = 0
    sweeper.sweep()
    assert shelf.listed == 1  # of the one that may grow
    for folder in kept[:3]:  # as store.keep_days has it
        shelf.remove(folder.rpartition("/")[0])
    shelf.put_bytes(b"x" * 200, f"{half}/preview.webp")
    sweeper.sweep()
    assert folders_in(shelf) == [kept[3], half]


@given(st.lists(st.integers(0, 50)), st.integers(-50, 500))
def test_the_oldest_clips_are_too_many(sizes: list[int], most: int) -> None:
    clips = [KeptClip(at, f"{at}", size) for at, size in enumerate(sizes)]
    gone = surplus(reversed(clips), most)
    assert gone == clips[: len(gone)]
    left = sum(sizes[len(gone) :])
    assert left <= max(most, 0)
    assert not gone or left + gone[-1].size > most


def test_what_was_never_whole_goes_with_its_hour(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    fill(shelf, range(0, 10 * 3600, 3600))
    folders = [name.rpartition("/")[0] for name in names_in(shelf)]
    for folder in (folders[0], folders[-1]):
        (tmp_path / folder / "1-2.jpg.new").write_bytes(b"half")
    sweeper_of(shelf, tmp_path, START + 9 * 3600).sweep()
    left = [path.parent for path in tmp_path.rglob("*.new")]
    assert left == [tmp_path / folders[-1]]  # somebody may be about to finish it


def test_hours_that_are_complete_are_listed_once(tmp_path: Path) -> None:
    shelf = Disk(tmp_path)
    fill(shelf, range(0, 10 * 3600, 3600))
    sweeper = sweeper_of(shelf, tmp_path, START + 10 * 3600)
    sweeper.sweep()
    shelf.listed = 0
    assert sweeper.sweep().kept_bytes == 1000
    assert shelf.listed <= 4


def test_what_was_never_completed_goes_when_it_is_old(tmp_path: Path) -> None:
    for name in ("1700000000000-1700000000000.mkv", "1-1700003600000.mkv", "holiday.mkv"):
        path = tmp_path / "_open" / "gone" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    sweeper_of(Disk(tmp_path), tmp_path, START + 7200, keep_seconds=5000.0).sweep()
    left = sorted(path.name for path in (tmp_path / "_open" / "gone").iterdir())
    assert left == ["1-1700003600000.mkv", "holiday.mkv"]


def test_what_cannot_be_removed_is_a_fault_of_the_storage(tmp_path: Path, monkeypatch) -> None:
    def refuse(_path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    left = tmp_path / "_open" / "gone" / "1-1700000000000.mkv"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    sweeper = sweeper_of(Disk(tmp_path), tmp_path, START + 7200, keep_seconds=5000.0)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(EvidenceStorageError, match="Read-only"):
        sweeper.sweep()


def test_a_storage_that_refuses_is_counted_and_tried_again(tmp_path: Path) -> None:
    shelf, stop = Disk(tmp_path), threading.Event()
    names = fill(shelf, range(0, 100, 10))
    shelf.fault = True
    sweeper = sweeper_of(shelf, tmp_path, START + 100, keep_bytes=0, sweep_seconds=0.01)
    thread = threading.Thread(target=sweeper.run, args=(stop,))
    thread.start()
    wait_until(lambda: shelf.listed >= 3)
    assert names_in(LocalShelf(tmp_path)) == names
    shelf.fault = False
    wait_until(lambda: not names_in(LocalShelf(tmp_path)))
    stop.set()
    thread.join()


@pytest.mark.parametrize("name", ["", "yard", "a/b/c.mkv", "yard/2023-11-14/22/1-2.mkv"])
def test_other_names_are_no_evidence(name: str) -> None:
    assert begun_at(name) is None

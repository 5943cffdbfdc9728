"""Engines on disk: whole or not at all, and never one that is another's."""

import fcntl
import os
import threading
from pathlib import Path

import msgspec
import pytest

from encoder.errors import EngineError, NoEngineError, UnfitEngineError
from encoder.tensorrt.key import BuildOptions, EngineParts
from encoder.tensorrt.store import (
    PLAN,
    RECORD,
    Engine,
    EngineRecord,
    build_lock,
    engines_folder,
    find_engine,
    keep_engine,
    read_engine,
)
from tests.encoder.tensorrt.test_key import FILES, H100, PARTS


def nobody() -> None:
    raise AssertionError("nobody else builds")


def keep(
    root: Path, parts: EngineParts = PARTS, made: float = 1.0, plan: bytes = b"plan"
) -> Engine:
    record = EngineRecord(parts=parts, bundle="quick", made=made, seconds=2.0, plan_bytes=len(plan))
    with build_lock(parts.key, root, nobody) as partial:
        (partial / PLAN).write_bytes(plan)
        return keep_engine(partial, record, root)


def test_an_engine_is_found_again(tmp_path: Path) -> None:
    kept = keep(tmp_path)
    found = find_engine("quick", FILES, H100, tmp_path)
    assert found == kept
    assert found.folder.name == PARTS.key
    assert (found.plan.read_bytes(), found.max_batch) == (b"plan", 32)


def test_the_newest_of_several_runs(tmp_path: Path) -> None:
    for made, batch in ((1.0, 8), (3.0, 16), (2.0, 32)):
        options = BuildOptions(max_batch=batch)
        keep(tmp_path, msgspec.structs.replace(PARTS, options=options), made)
    assert find_engine("quick", FILES, H100, tmp_path).max_batch == 16


def test_without_an_engine_it_says_how_to_have_one(tmp_path: Path) -> None:
    with pytest.raises(NoEngineError, match=r"been built.*: watchword bundles build-engine quick$"):
        find_engine("quick", FILES, H100, tmp_path / "nothing")


def test_an_engine_for_something_else_is_not_used_and_said_why(tmp_path: Path) -> None:
    keep(tmp_path)
    a10 = msgspec.structs.replace(H100, gpu="NVIDIA A10", compute_capability="8.6")
    told = r"may not be used, it is for NVIDIA H100.*NVIDIA A10"
    with pytest.raises(UnfitEngineError, match=told):
        find_engine("quick", FILES, a10, tmp_path)
    with pytest.raises(UnfitEngineError, match="built from other weights"):
        find_engine("quick", {"video_tensorrt.onnx": "new"}, H100, tmp_path)
    with pytest.raises(NoEngineError, match="no engine of other has been built") as caught:
        find_engine("other", {"video_tensorrt.onnx": "new"}, H100, tmp_path)
    assert not isinstance(caught.value, UnfitEngineError)


def test_a_plan_that_is_cut_off_is_not_used(tmp_path: Path) -> None:
    engine = keep(tmp_path)
    engine.plan.write_bytes(b"pl")
    with pytest.raises(UnfitEngineError, match="2 bytes and should have 4: it is damaged"):
        find_engine("quick", FILES, H100, tmp_path)


def test_the_damage_of_anothers_engine_is_not_this_bundles(tmp_path: Path) -> None:
    engine = keep(tmp_path)
    engine.plan.write_bytes(b"pl")
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "unreadable" / RECORD).write_text("{")
    with pytest.raises(NoEngineError, match="no engine of other has been built"):
        find_engine("other", {"video_tensorrt.onnx": "new"}, H100, tmp_path)


@pytest.mark.parametrize("suffix", ["partial", "old"])
def test_what_is_being_built_or_makes_room_is_no_engine(tmp_path: Path, suffix: str) -> None:
    engine = keep(tmp_path)
    engine.folder.rename(tmp_path / f".{PARTS.key}.{suffix}")
    with pytest.raises(NoEngineError, match="no engine of quick has been built"):
        find_engine("quick", FILES, H100, tmp_path)


def test_an_old_engine_that_a_killed_builder_half_removed_is_in_nobodys_way(tmp_path: Path) -> None:
    keep(tmp_path)
    left = tmp_path / f".{PARTS.key}.old"
    left.mkdir()
    (left / PLAN).write_bytes(b"half removed")
    keep(tmp_path, made=2.0, plan=b"better plan")
    assert find_engine("quick", FILES, H100, tmp_path).plan.read_bytes() == b"better plan"
    assert not left.exists()


def test_a_record_that_was_edited_is_not_believed(tmp_path: Path) -> None:
    engine = keep(tmp_path)
    record = engine.folder / RECORD
    record.write_text(record.read_text().replace("NVIDIA H100", "NVIDIA A10"))
    with pytest.raises(EngineError, match="was edited or moved"):
        read_engine(engine.folder)
    record.write_text("{}")
    with pytest.raises(EngineError, match="holds no engine that can be read"):
        read_engine(engine.folder)


def test_a_new_engine_takes_the_place_of_the_old(tmp_path: Path) -> None:
    keep(tmp_path)
    keep(tmp_path, made=2.0, plan=b"better plan")
    assert find_engine("quick", FILES, H100, tmp_path).plan.read_bytes() == b"better plan"
    assert {path.name for path in tmp_path.iterdir()} == {PARTS.key, f".{PARTS.key}.lock"}


def test_what_was_begun_is_gone_after_a_failure(tmp_path: Path) -> None:
    def fail() -> None:
        with build_lock("k", tmp_path, nobody) as partial:
            (partial / PLAN).write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == [".k.lock"]


def test_what_a_killed_builder_left_is_gone_before_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".k.partial"
    left.mkdir()
    (left / PLAN).write_bytes(b"half")
    with build_lock("k", tmp_path, nobody) as partial:
        assert not list(partial.iterdir())


def test_a_second_builder_waits_and_says_so(tmp_path: Path) -> None:
    waits, is_in = threading.Event(), threading.Event()

    def build() -> None:
        with build_lock("k", tmp_path, waits.set):
            is_in.set()

    with build_lock("k", tmp_path, nobody):
        thread = threading.Thread(target=build)
        thread.start()
        assert waits.wait(10)
        assert not is_in.is_set()
    thread.join(10)
    assert is_in.is_set()


def test_the_lock_falls_with_its_holder(tmp_path: Path) -> None:
    with build_lock("k", tmp_path, nobody):
        pass
    descriptor = os.open(tmp_path / ".k.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("")
    with pytest.raises(EngineError, match="engines cannot be kept"), build_lock("k", root, nobody):
        pass


def test_engines_lie_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engines_folder() == tmp_path / "watchword" / "engines"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert engines_folder() == tmp_path / ".cache" / "watchword" / "engines"

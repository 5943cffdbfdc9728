"""An engine is built in a process of its own, by one process at a time, whole or not at all."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from encoder.bundle import Bundle
from encoder.errors import BundleError, CardMemoryError, EngineError, RuntimeMissingError
from encoder.tensorrt.key import BuildOptions
from encoder.tensorrt.ordering import EngineShop, Watching, graph_files
from encoder.tensorrt.progress import Progress
from encoder.tensorrt.store import find_engine
from tests.encoder.tensorrt.conftest import Say

OPTIONS = BuildOptions(max_batch=4)
PATIENCE_SECONDS = 60.0  # only ever waited out by a test that fails


def left(shop: EngineShop) -> set[str]:
    """What lies among the engines but finished ones, locks and timing caches."""
    assert shop.root is not None
    return {
        path.name
        for path in shop.root.iterdir()
        if path.name.startswith(".") and path.suffix != ".lock"
    }


def test_an_engine_is_built_and_found(shop: EngineShop, quick: Bundle) -> None:
    seen: list[Progress] = []
    engine, built = shop.build(quick, OPTIONS, watching=Watching(seen.append))
    assert built
    assert engine.record.parts.files == graph_files(quick)
    assert set(graph_files(quick)) == {"video_tensorrt.onnx", "video_tensorrt.onnx.data"}
    assert {progress.phase for progress in seen} == {"Building", "Timing"}
    assert find_engine("quick", graph_files(quick), shop.machine, shop.root) == engine
    assert engine.plan.stat().st_size == engine.record.plan_bytes
    assert left(shop) == set()


def test_what_is_there_is_kept_unless_it_is_forced(shop: EngineShop, quick: Bundle) -> None:
    first, _ = shop.build(quick, OPTIONS)
    assert shop.build(quick, OPTIONS) == (first, False)
    again, built = shop.build(quick, OPTIONS, force=True)
    assert (built, again.folder) == (True, first.folder)
    assert again.record.made > first.record.made


def test_a_damaged_engine_is_built_again(shop: EngineShop, quick: Bundle) -> None:
    first, _ = shop.build(quick, OPTIONS)
    first.plan.write_bytes(b"")
    again, built = shop.build(quick, OPTIONS)
    assert built
    assert again.plan.stat().st_size == again.record.plan_bytes


def test_other_options_make_another_engine(shop: EngineShop, quick: Bundle) -> None:
    first, _ = shop.build(quick, OPTIONS)
    other, built = shop.build(quick, BuildOptions(max_batch=2))
    assert built
    assert other.folder != first.folder


def test_a_bundle_without_a_graph_for_tensorrt(shop: EngineShop, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"bundle tiny has no graph for TensorRT .*convert"):
        shop.build(bundle, OPTIONS)


def test_a_tensorrt_that_is_too_old_is_not_even_started(shop: EngineShop, quick: Bundle) -> None:
    old = replace(shop, machine=msgspec.structs.replace(shop.machine, tensorrt="10.9.0"))
    with pytest.raises(RuntimeMissingError, match=r"RMSNormalization came with 10\.15"):
        old.build(quick, OPTIONS)
    assert shop.root is not None
    assert not shop.root.exists()


def test_the_builders_error_is_ours(shop: EngineShop, quick: Bundle, say: Say) -> None:
    say(error="OutOfMemory (Requested size was 2000000000 bytes.)")
    with pytest.raises(CardMemoryError, match=r"2\.00 GB at once.*--batch 2"):
        shop.build(quick, OPTIONS)
    assert left(shop) == set()


@pytest.mark.parametrize(("code", "told"), [(7, "ended with 7"), (-1, "ended with 255")])
def test_a_builder_that_ends_without_a_word_of_ours(
    shop: EngineShop, quick: Bundle, say: Say, code: int, told: str
) -> None:
    say(exit=code)
    with pytest.raises(EngineError, match=rf"the builder {told} and says a last word"):
        shop.build(quick, OPTIONS)
    assert left(shop) == set()


def test_a_builder_that_is_killed(shop: EngineShop, quick: Bundle) -> None:
    suicide = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    killed = replace(shop, worker=(sys.executable, "-c", suicide))
    with pytest.raises(EngineError, match="was killed by signal 9 and says nothing"):
        killed.build(quick, OPTIONS)


def test_an_error_that_is_none_of_ours_is_not_looked_up(shop: EngineShop, quick: Bundle) -> None:
    line = b'{"type":"failure","kind":"SystemExit","sentence":"it is so"}\n'
    odd = replace(shop, worker=(sys.executable, "-c", f"print({line.decode()!r}, end='')"))
    with pytest.raises(EngineError, match="it is so"):
        odd.build(quick, OPTIONS)


def test_an_interrupted_build_takes_its_process_along(
    shop: EngineShop, quick: Bundle, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    endless = (
        f"import os, time, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid()));"
        'print(\'{"type":"progress","phase":"p","done":0,"steps":1}\', flush=True); time.sleep(600)'
    )
    slow = replace(shop, worker=(sys.executable, "-c", endless))

    def interrupt(_progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        slow.build(quick, OPTIONS, watching=Watching(interrupt))
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    assert left(shop) == set()


def test_a_builder_ends_with_its_parent(fakes: SimpleNamespace, quick: Bundle, say: Say) -> None:
    say(seconds=600)
    order = EngineShop(shop_machine(fakes))._order(quick, parts_of(quick, fakes), quick.folder)
    builder = subprocess.Popen(
        [*EngineShop(shop_machine(fakes)).worker, msgspec.json.encode(order).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert builder.stdin is not None
    assert builder.stdout is not None
    assert b"Building" in builder.stdout.readline()
    builder.stdin.close()
    assert builder.wait(30) == 1
    builder.stdout.close()


def shop_machine(fakes: SimpleNamespace):
    from encoder.tensorrt.installed import find_machine

    return find_machine(0)


def parts_of(bundle: Bundle, fakes: SimpleNamespace):
    from encoder.tensorrt.key import EngineParts

    return EngineParts(files=graph_files(bundle), machine=shop_machine(fakes), options=OPTIONS)


def test_two_builders_build_once(shop: EngineShop, quick: Bundle, say: Say, tmp_path: Path) -> None:
    """The first is at it until the second has said that it waits."""
    waits = tmp_path / "waits"
    say(until=str(waits))
    waited: list[bool] = []
    built: list[bool] = []
    begun = threading.Event()

    def wait() -> None:
        waited.append(True)
        waits.touch()

    def second() -> None:
        assert begun.wait(PATIENCE_SECONDS)
        built.append(shop.build(quick, OPTIONS, force=True, watching=Watching(waiting=wait))[1])

    thread = threading.Thread(target=second)
    thread.start()
    _, first = shop.build(quick, OPTIONS, watching=Watching(lambda _progress: begun.set()))
    thread.join(PATIENCE_SECONDS)
    assert (first, built, waited) == (True, [False], [True])


def test_a_killed_shop_leaves_nothing_that_counts(
    shop: EngineShop, quick: Bundle, say: Say, tmp_path: Path
) -> None:
    """kill -9 of the parent: the builder ends too, and the next build begins anew."""
    program = (
        "import sys; from pathlib import Path; from encoder.bundle import load_bundle;"
        "from encoder.tensorrt.key import BuildOptions;"
        "from encoder.tensorrt.installed import find_machine;"
        "from encoder.tensorrt.ordering import EngineShop, Watching;"
        f"shop = EngineShop(find_machine(0), root=Path({str(shop.root)!r}));"
        "tell = Watching(lambda progress: print(progress.phase, flush=True));"
        f"shop.build(load_bundle({str(quick.folder)!r}), BuildOptions(max_batch=4), watching=tell)"
    )
    say(seconds=600)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline().strip() == b"Building"
    parent.send_signal(signal.SIGKILL)
    parent.wait(30)
    parent.stdout.close()
    say()
    _, built = shop.build(quick, OPTIONS)  # which would wait for ever, had the lock not fallen
    assert built
    assert left(shop) == set()

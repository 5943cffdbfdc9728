"""What the builder's process asks TensorRT for, and what becomes of its failures."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from encoder.bundle import Bundle
from encoder.errors import CardMemoryError, EngineError, ModelError
from encoder.tensorrt.build import BuildOrder, build_plan
from encoder.tensorrt.builder_process import run
from encoder.tensorrt.installed import find_machine
from encoder.tensorrt.key import BuildOptions
from encoder.tensorrt.progress import Built, Failure, Line, Phases, Progress, read_line
from tests.encoder.tensorrt.conftest import Say

GB = 10**9


@pytest.fixture
def order(fakes: SimpleNamespace, quick: Bundle, tmp_path: Path) -> BuildOrder:
    return BuildOrder(
        graph=str(quick.path("video_tensorrt")),
        plan=str(tmp_path / "engine.plan"),
        timing=str(tmp_path / "timing" / "cache"),
        weight_bytes=1000,
        device=0,
        machine=find_machine(0),
        options=BuildOptions(max_batch=16, workspace_bytes=GB, level=4),
    )


def build(order: BuildOrder) -> tuple[int, list[Line]]:
    lines: list[Line] = []
    return build_plan(order, lines.append), lines


def test_what_is_asked_for(order: BuildOrder, fakes: SimpleNamespace) -> None:
    size, _ = build(order)
    assert Path(order.plan).stat().st_size == size
    (asked,) = fakes.tensorrt.BUILT[-1:]
    assert asked["flags"] == 1 << 1  # strongly typed
    clip = (2, 4, 6, 3)
    assert asked["shapes"] == ((1, *clip), (16, *clip), (16, *clip))
    config = asked["config"]
    assert (config.builder_optimization_level, config._pools) == (4, {"WORKSPACE": GB})
    assert repr(config.profiling_verbosity) == "DETAILED"


def test_all_memory_may_be_used_unless_something_else_is_said(order, fakes) -> None:
    build(msgspec.structs.replace(order, options=BuildOptions()))
    assert fakes.tensorrt.BUILT[-1]["config"]._pools == {}


def test_a_tensorrt_that_no_longer_knows_the_flag(order, fakes, monkeypatch) -> None:
    monkeypatch.delattr(fakes.tensorrt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    build(order)
    assert fakes.tensorrt.BUILT[-1]["flags"] == 0


def test_progress_is_told(order: BuildOrder) -> None:
    _, lines = build(order)
    told = [(line.phase, line.done, line.steps, line.depth) for line in lines]
    assert told[:3] == [("Building", 0, 2, 0), ("Timing", 0, 3, 1), ("Timing", 1, 3, 1)]
    assert told[-1] == ("Building", 2, 2, 0)


def test_the_timing_cache_is_kept_and_used(order: BuildOrder) -> None:
    build(order)
    assert Path(order.timing).read_bytes() == b"+"
    build(order)
    assert Path(order.timing).read_bytes() == b"++"
    assert [path.name for path in Path(order.timing).parent.iterdir()] == ["cache"]


@pytest.mark.parametrize("stored", [b"foreign", b"damaged"])
def test_a_timing_cache_that_does_not_fit_is_begun_anew(order: BuildOrder, stored: bytes) -> None:
    Path(order.timing).parent.mkdir()
    Path(order.timing).write_bytes(stored)
    build(order)
    assert Path(order.timing).read_bytes() == b"+"


@pytest.mark.parametrize("stored", [b"foreign", b"damaged"])
def test_a_failure_is_not_explained_by_the_timing_cache(order, say: Say, stored: bytes) -> None:
    Path(order.timing).parent.mkdir()
    Path(order.timing).write_bytes(stored)
    say(error="the graph has a cycle")
    with pytest.raises(EngineError, match="the graph has a cycle"):
        build(order)


def test_a_timing_cache_that_cannot_be_read_is_none(order: BuildOrder, tmp_path: Path) -> None:
    folder = tmp_path / "timing"
    (folder / "cache").mkdir(parents=True)  # a folder where the file should be
    with pytest.raises(EngineError, match="cannot be written"):  # at the end, not with a traceback
        build(order)


def test_a_graph_that_cannot_be_parsed(order: BuildOrder, say: Say) -> None:
    say(unparsed=1)
    told = r"cannot parse .*\(Attention /blocks.0/attn: its input has rank 3\): convert"
    with pytest.raises(ModelError, match=told):
        build(order)
    say(unparsed=0, input="pixels")
    with pytest.raises(ModelError, match=r"inputs \['pixels'\], a video tower frames alone"):
        build(order)


def test_a_graph_that_is_open_elsewhere_than_in_its_batch(order: BuildOrder, say: Say) -> None:
    for shape in ([-1, -1, 4, 6, 3], [8, 2, 4, 6, 3]):
        say(shape=shape)
        with pytest.raises(ModelError, match="the batch alone may be open"):
            build(order)


def test_memory_that_ran_out(order: BuildOrder, say: Say) -> None:
    say(error="[defaultAllocator.cpp] OutOfMemory (Requested size was 5368709120 bytes.)")
    told = r"engine of 16 clips: TensorRT asked for 5\.37 GB at once, .* GB are free.*--batch 8"
    with pytest.raises(CardMemoryError, match=told):
        build(order)


NO_KERNEL = "Error Code 10: Could not find any implementation for node {ForeignNode[/blocks.0]}."
DENIED = "Requested amount of GPU memory (68719476736 bytes) could not be allocated. There may"
SKIPPED = "Skipping tactic 3 due to insufficient memory on requested size of 21474836480 detected"


@pytest.mark.parametrize(
    ("warnings", "asked"),
    [([DENIED], "68.72"), ([SKIPPED], "21.47"), ([SKIPPED, "something else", DENIED], "68.72")],
)
def test_memory_that_ran_out_as_warnings_say(order, say: Say, warnings: list, asked: str) -> None:
    say(error=NO_KERNEL, warnings=warnings)
    with pytest.raises(CardMemoryError, match=rf"TensorRT asked for {asked} GB at once.*--batch 8"):
        build(order)
    say(no_plan=True, warnings=warnings)
    with pytest.raises(CardMemoryError):
        build(order)


def test_a_limit_that_was_set_is_told_where_memory_ran_out(order: BuildOrder, say: Say) -> None:
    say(error=NO_KERNEL, warnings=[SKIPPED])
    with pytest.raises(CardMemoryError, match=r"1\.00 GB were allowed \(--workspace-gb\): end"):
        build(order)
    free = msgspec.structs.replace(order, options=BuildOptions())
    with pytest.raises(CardMemoryError) as caught:
        build(free)
    assert "workspace" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "warnings"),
    [
        # Kernels that went without memory and were not missed; too little of what threads share
        ("Error Code 4: the graph has a cycle", [DENIED]),
        (NO_KERNEL, ["Skipping tactic 4 due to insufficient memory on requested size of 66048"]),
        (NO_KERNEL, []),
    ],
)
def test_what_is_not_of_memory_is_not_called_so(order, say: Say, error, warnings) -> None:
    say(error=error, warnings=warnings)
    with pytest.raises(EngineError) as caught:
        build(order)
    assert not isinstance(caught.value, CardMemoryError)
    assert error[:20] in str(caught.value)


def test_memory_that_ran_out_for_a_single_clip(order: BuildOrder, say: Say) -> None:
    say(error="Error Code 2: Out of memory")
    least = msgspec.structs.replace(order, options=BuildOptions(max_batch=1))
    with pytest.raises(CardMemoryError, match=r"asked for more at once.*take a smaller model"):
        build(least)


def test_weights_that_do_not_fit(order: BuildOrder, fakes: SimpleNamespace) -> None:
    large = msgspec.structs.replace(order, weight_bytes=6 * GB)
    with pytest.raises(CardMemoryError, match=r"0\.01 of 0\.01 GB free, .* alone need 6\.00 GB"):
        build(large)
    assert not fakes.tensorrt.BUILT


def test_another_failure_is_told_as_tensorrt_tells_it(order: BuildOrder, say: Say) -> None:
    say(error="Error Code 10: Could not find any implementation\n for node {ForeignNode}")
    with pytest.raises(EngineError, match=r"builds no engine .* implementation for node {ForeignN"):
        build(order)


def test_a_disk_that_is_full(order: BuildOrder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"cannot be written .*: make room"):
        build(msgspec.structs.replace(order, plan=str(tmp_path / "file" / "engine.plan")))


def test_the_process_tells_its_end_in_lines(order: BuildOrder, say: Say) -> None:
    out = io.BytesIO()
    assert run(order, out) == 0
    lines = [read_line(line) for line in out.getvalue().splitlines()]
    assert isinstance(lines[0], Progress)
    assert lines[-1] == Built(plan_bytes=Path(order.plan).stat().st_size)
    say(error="Out of memory")
    out = io.BytesIO()
    assert run(order, out) == 1
    last = read_line(out.getvalue().splitlines()[-1])
    assert isinstance(last, Failure)
    assert last.kind == "CardMemoryError"


def test_lines_of_others_are_no_lines(fakes: SimpleNamespace) -> None:
    for line in (b"", b"Loading library", b"{}", json.dumps({"type": "other"}).encode()):
        assert read_line(line) is None


def test_phases_that_nobody_began_are_left_out() -> None:
    lines: list[Line] = []
    phases = Phases(lines.append)
    phases.step("late", 3)
    phases.finish("late")
    phases.start("a", 2)
    phases.finish("a")
    phases.step("a", 1)
    assert [(line.phase, line.done) for line in lines] == [("a", 0), ("a", 2)]

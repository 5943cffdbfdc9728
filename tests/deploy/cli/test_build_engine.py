"""`watchword bundles build-engine`, with a recorder that stands for TensorRT and a card."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from deploy.cli.app import main
from deploy.cli.build_engine import BuildProgress
from encoder.bundle import Bundle
from encoder.tensorrt.progress import Progress
from tests.encoder.tensorrt.conftest import fakes, quick, say

__all__ = ("fakes", "quick", "say")  # fixtures


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["bundles", "build-engine", *words])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


def test_an_engine_is_built_and_told(run, fakes: SimpleNamespace, quick: Bundle):
    code, out, err = run(str(quick.folder), "--batch", "4", "--workspace-gb", "2", "--level", "1")
    assert (code, err) == (0, "Building\n")
    assert out.startswith("quick: an engine for up to 4 clips on NVIDIA Fake, 0.00 GB, built in ")
    folder = Path(out.rpartition(": ")[2].strip())
    record = json.loads((folder / "engine.json").read_text())
    options = {"max_batch": 4, "workspace_bytes": 2 * 10**9, "level": 1}
    assert record["parts"]["options"] == options


def test_one_that_is_there_is_kept_and_told(run, fakes: SimpleNamespace, quick: Bundle):
    run(str(quick.folder))
    code, out, err = run(str(quick.folder))
    assert (code, err) == (0, "")
    assert "is there already (--force builds it again): " in out
    assert "built in" in run(str(quick.folder), "--force")[1]


def test_json(run, fakes: SimpleNamespace, quick: Bundle):
    code, out, _ = run(str(quick.folder), "--json")
    told = json.loads(out)
    assert (code, told["built"], told["bundle"]) == (0, True, "quick")
    assert told["parts"]["machine"]["tensorrt"] == "11.4.0.106"
    assert Path(told["folder"]).is_dir()


def test_without_tensorrt_it_says_what_to_install(run, quick: Bundle):
    code, out, err = run(str(quick.folder))
    assert (code, out) == (2, "")
    assert err.startswith("watchword: TensorRT cannot be loaded ")
    assert err.rstrip().endswith("pip install 'watchword[tensorrt]'")
    assert err.count("\n") == 1


def test_without_a_card_it_says_so(run, fakes: SimpleNamespace, quick: Bundle, say):
    say(card={"count": 0})
    code, _, err = run(str(quick.folder))
    assert (code, "no NVIDIA card can be used" in err) == (2, True)


def test_a_card_that_is_not_there(run, fakes: SimpleNamespace, quick: Bundle):
    code, _, err = run(str(quick.folder), "--card", "2")
    assert (code, "no card cuda:2, this machine has 1" in err) == (2, True)


def test_a_bundle_without_a_graph_for_tensorrt(run):
    code, _, err = run("watchword-lite")
    assert code == 2
    assert "bundle watchword-lite has no graph for TensorRT" in err


def test_too_little_memory_is_a_fault_with_a_way_out(run, fakes, quick: Bundle, say):
    say(error="OutOfMemory (Requested size was 3000000000 bytes.)")
    code, _, err = run(str(quick.folder), "--batch", "16")
    assert code == 1
    assert "asked for 3.00 GB at once" in err
    assert err.rstrip().endswith("build one with --batch 8")


@pytest.mark.parametrize("wrong", [("--batch", "0"), ("--level", "6"), ("--workspace-gb", "0")])
def test_options_that_make_no_sense(run, wrong):
    assert run("watchword-lite", *wrong)[0] == 2


def test_a_terminal_shows_the_phases_that_are_open():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with BuildProgress(console) as shown:
        shown.waits()
        shown.seen(Progress(phase="Building", done=0, steps=2))
        shown.seen(Progress(phase="Timing", done=1, steps=4, depth=1))
        shown._bars.refresh()
        assert [task.description for task in shown._bars.tasks] == ["Building", "  Timing"]
        shown.seen(Progress(phase="Timing", done=4, steps=4, depth=1))
        assert [task.description for task in shown._bars.tasks] == ["Building"]
    assert "another process builds this engine" in console.file.getvalue()  # type: ignore[attr-defined]

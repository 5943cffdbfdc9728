import io
import re

import pytest
from rich.console import Console

from deploy.cli.progress import ProgressBar
from deploy.config import WatchOptions
from deploy.watch_plan import WatchPlan, plan_watch
from tests.e2e.colour_bundle import make_colour_bundle
from tests.e2e.media import GREY, write_video


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> WatchPlan:
    folder = tmp_path_factory.mktemp("progress")
    video = write_video(folder / "street.mp4", [(GREY, 4)])
    bundle = make_colour_bundle(folder / "colours")
    return plan_watch(WatchOptions((str(video),), ("red",), str(bundle)))


def drawn(plan: WatchPlan, *, terminal: bool) -> str:
    stream = io.StringIO()
    with ProgressBar(Console(file=stream, force_terminal=terminal, width=80), plan) as bar:
        bar.seen("street", 2.0)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def test_a_terminal_sees_how_far_each_camera_is(plan: WatchPlan) -> None:
    assert "street" in drawn(plan, terminal=True)
    assert "0:02.0" in drawn(plan, terminal=True)


def test_without_a_terminal_nothing_is_drawn(plan: WatchPlan) -> None:
    assert drawn(plan, terminal=False).strip() == ""

from pathlib import Path

import pytest

from deploy import demo
from deploy.errors import SampleClipError
from tests.e2e.colour_bundle import make_colour_bundle
from tests.e2e.media import GREY, RED, write_video


def test_the_demo_is_the_main_job_on_the_sample_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_video(tmp_path / "bikes.mp4", [(GREY, 4), (RED, 4)])
    bundle = make_colour_bundle(tmp_path / "colours")
    options = demo.WatchOptions
    monkeypatch.setattr(demo, "sample_clip", lambda: clip)
    monkeypatch.setattr(demo, "QUERIES", ("something red", "a dog"))
    monkeypatch.setattr(demo, "WatchOptions", lambda **had: options(**had, bundle=str(bundle)))
    demo.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("bikes.mp4: 8 s of a city street")
    assert any("something red" in line and "█" in line for line in lines)
    assert any("a dog" in line and "nothing found" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_without_the_clip_there_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline() -> Path:
        raise SampleClipError("check the network")

    monkeypatch.setattr(demo, "sample_clip", offline)
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "watchword: check the network\n"

from pathlib import Path

import pytest

from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script
from tests.streamer.media import Video, write_video


@pytest.fixture
def script(script: Script) -> Script:
    since = "2025-03-01T08:00:00Z"
    live = {"state": "live", "since": since, "reason": None, "message": ""}
    script.put("cameras", "gate", source="rtsp://camera.local/1", health=live, credentials="sealed")
    script.put("cameras", "new", source="/videos/new.mp4", declared=True, loop=True)
    script.put(
        "cameras",
        "yard",
        source="rtsp://yard.local/1",
        labels={"site": "north"},
        health={
            "state": "offline",
            "since": since,
            "reason": "refused",
            "message": "Nobody is in.",
        },
    )
    return script


def test_a_camera_needs_an_id_and_a_source(script: Script, terminal: Terminal) -> None:
    ran = terminal.ask("camera", "add", "door", "rtsp://door/1")
    assert script.bodies("POST") == [{"id": "door", "source": "rtsp://door/1"}]
    assert ran.out == "camera door is registered: rtsp://door/1\n"


def test_everything_that_can_be_said_of_a_camera(script: Script, terminal: Terminal) -> None:
    ran = terminal.ask(
        *("camera", "add", "door", "door.mp4", "--loop", "--paused", "--transport", "udp"),
        *("--decoder", "cuda"),
        *("--label", "site=north", "--credentials-environment", "WATCHWORD_CAMERA_DOOR", "--json"),
    )
    body = {
        "id": "door",
        "source": "door.mp4",
        "loop": True,
        "paused": True,
        "rtsp_transport": "udp",
        "decoder": "cuda",
        "labels": {"site": "north"},
        "credentials_environment": "WATCHWORD_CAMERA_DOOR",
    }
    assert script.bodies("POST") == [body]
    assert ran.lines[0]["id"] == "door"


def test_everything_that_can_be_said_of_its_pictures(script: Script, terminal: Terminal) -> None:
    terminal.ask(
        *("camera", "add", "door", "rtsp://a/1", "--sub-source", "rtsp://a/2"),
        *("--decode", "keyframes", "--mask", "0,0 1,0 1,0.5", "--mask", "0,0 0.5,0 0.5,0.5"),
        *("--region", "0,0.25,1,1", "--no-evidence"),
    )
    masks = [[[0, 0], [1, 0], [1, 0.5]], [[0, 0], [0.5, 0], [0.5, 0.5]]]
    (body,) = script.bodies("POST")
    assert body == {
        "id": "door",
        "source": "rtsp://a/1",
        "sub_source": "rtsp://a/2",
        "decode": "keyframes",
        "masks": masks,
        "region": [0, 0.25, 1, 1],
        "evidence": False,
    }
    shown = " ".join(terminal.ask("camera", "show", "door").out.split())
    for part in ("rtsp://a/2", "keyframes", "0,0 1,0 1,0.5; 0,0", "0,0.25,1,1", "none is kept"):
        assert part in shown
    terminal.ask("camera", "edit", "door", "--mask", "", "--region", "", "--sub-source", "")
    assert script.bodies("PATCH") == [{"masks": [], "region": None, "sub_source": None}]
    assert "'0.1;2'" in terminal.ask("camera", "edit", "door", "--region", "0.1;2", code=2).err


def test_when_a_film_was_filmed(script: Script, terminal: Terminal) -> None:
    film = ("--pace", "fastest", "--start", "2025-03-01T08:00:00Z")
    terminal.ask("camera", "add", "door", "door.mp4", *film)
    (body,) = script.bodies("POST")
    fields = {"pace": "fastest", "start": "2025-03-01T08:00:00+00:00"}
    assert body == {"id": "door", "source": "door.mp4", **fields}
    shown = " ".join(terminal.ask("camera", "show", "door").out.split())
    for part in ("as fast as it goes", "2025-03-01 08:00:00Z"):
        assert part in shown
    terminal.ask("camera", "edit", "door", "--pace", "own", "--start", "")
    assert script.bodies("PATCH") == [{"pace": "own", "start": None}]
    assert "no date" in terminal.ask("camera", "edit", "door", "--start", "noon", code=2).err


def test_a_taken_id_is_wrong_usage(terminal: Terminal) -> None:
    assert "'gate' is taken" in terminal.ask("camera", "add", "gate", "x.mp4", code=2).err


def test_the_table_tells_how_cameras_fare(terminal: Terminal) -> None:
    shown = terminal.ask("camera", "list").out
    assert max(len(line) for line in shown.splitlines()) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.strip()}
    assert rows["gate"] == ["live", "2025-03-01", "08:00:00Z", "rtsp://camera.local/1"]
    assert rows["new"] == ["-", "/videos/new.mp4"]
    assert rows["yard"][0] == "offline"


def test_a_camera_is_shown_whole(terminal: Terminal) -> None:
    shown = terminal.ask("camera", "show", "yard").out
    for part in ("offline", "refused: Nobody is in.", "site=north", "tcp"):
        assert part in shown
    assert "sealed" in terminal.ask("camera", "show", "gate").out
    new = terminal.ask("camera", "show", "new").out
    assert "for ever" in new
    assert "configuration file" in new


def test_an_edit_says_only_what_changes(script: Script, terminal: Terminal) -> None:
    terminal.ask("camera", "edit", "gate", "--paused", "--no-loop", "--label", "a=")
    terminal.ask("camera", "edit", "gate", "--running", "--credentials-environment", "")
    terminal.ask("camera", "edit", "gate", "--source", "rtsp://b/2", "--transport", "udp")
    terminal.ask("camera", "edit", "gate", "--decoder", "cpu")
    assert script.bodies("PATCH") == [
        {"paused": True, "loop": False, "labels": {"a": None}},
        {"paused": False, "credentials_environment": None},
        {"source": "rtsp://b/2", "rtsp_transport": "udp"},
        {"decoder": "cpu"},
    ]
    assert "nothing to change" in terminal.ask("camera", "edit", "gate", code=2).err


def test_cameras_are_removed_all_or_none(script: Script, terminal: Terminal) -> None:
    assert "'nowhere'" in terminal.ask("camera", "remove", "gate", "nowhere", code=2).err
    assert len(script.entities["cameras"]) == 3
    terminal.ask("camera", "remove", "gate", "yard")
    assert list(script.entities["cameras"]) == ["new"]


def test_a_probe_tells_what_a_file_holds(terminal: Terminal, tmp_path: Path) -> None:
    video = write_video(tmp_path / "street.mp4", Video(), 10)
    shown = terminal.run("camera", "probe", str(video), "--decoder", "cpu").out
    for part in ("128x96", "10 told, 10 came", "h264, yuv420p", "file: begins at", "first picture"):
        assert part in shown
    assert "every picture, by h264" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    (facts,) = terminal.run("camera", "probe", str(video), "--json").lines
    assert facts["width"] > 0
    assert facts["live"] is False
    assert facts["first_picture_seconds"] >= 0
    assert (facts["clock_source"], facts["has_sound"]) == ("file", False)
    assert facts["measured_fps"] == pytest.approx(10.0)
    assert facts["keyframe_seconds"] is None  # one second of video holds one


def test_a_probe_looks_as_long_as_it_is_told(terminal: Terminal, tmp_path: Path) -> None:
    video = write_video(tmp_path / "street.mp4", Video(), 100)
    (facts,) = terminal.run("camera", "probe", str(video), "--json", "--seconds", "3").lines
    assert facts["looked_seconds"] == pytest.approx(3.0, abs=0.2)
    assert facts["keyframe_seconds"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("/nowhere.mp4",), 2, "no file"),
        (("gopher://a/b",), 2, "no source"),
        (("rtsp://anna:hunter2@127.0.0.1:1/a",), 1, "***@127.0.0.1"),
        (("a.mp4", "--transport", "smoke"), 2, "neither tcp nor udp"),
        (("a.mp4", "--decoder", "abacus"), 2, "none of auto, cpu and cuda"),
        (("a.mp4", "--seconds", "0"), 2, "no such time"),
    ],
)
def test_a_probe_that_fails_says_why(
    terminal: Terminal, words: tuple[str, ...], code: int, sentence: str
) -> None:
    ran = terminal.run("camera", "probe", *words)
    assert (ran.code, ran.out) == (code, "")
    assert sentence in ran.err
    assert "hunter2" not in ran.err


@pytest.mark.parametrize(
    ("source", "code", "sentence"),
    [
        ("rtsp:/admin:hunter2@127.0.0.1/live", 2, "neither a URL nor a file"),
        ("rtsp//admin:hunter2@127.0.0.1/live", 2, "neither a URL nor a file"),
        ("rtsp:admin:hunter2@127.0.0.1", 2, "neither a URL nor a file"),
        ("//admin:hunter2@127.0.0.1/live", 2, "neither a URL nor a file"),
        ("rtsp:\\\\127.0.0.1\\live", 2, "neither a URL nor a file"),
        ("rtsp://", 2, "names no host"),
        ("rtsp://admin:hunter2@", 2, "names no host"),
        ("rtsp://admin:hunter2@:554/live", 2, "names no host"),
        ("rtsp://admin:hunter2@127.0.0.1:port/live", 2, "is no URL"),
        ("rtsp://admin:hunter2@127.0.0.1:99999/live", 2, "Port 99999 does not exist"),
        ("rtsp://admin:hunter2@127.0.0.1:-1/live", 2, "is no URL"),
        ("rtps://admin:hunter2@127.0.0.1/live", 2, "'rtps://' is no source"),
        ("rtsp://admin:hunter2@ 127.0.0.1/live", 2, "a space as %20"),
        ("rtsp://admin:hun ter2@127.0.0.1:9/a", 2, "a space as %20"),
        ("rtsp://127.0.0.1:9/a b", 2, "a space as %20"),
        ("rtsp://admin:hunter2/x@127.0.0.1:9/a", 2, "is no URL"),
        ("rtsp://admin:2/hunter2@127.0.0.1:9/a", 2, "'/' as %2F"),
        ("rtsp://admin:2#hunter2@127.0.0.1:9/a", 2, "'#' as %23"),
        ("rtsp://k\u00e4mera.invalid/live", 2, "the host in letters"),
        ("http://[::1/live", 2, "is no URL"),
        ("~/nothing.mp4", 2, "no file"),
        ("a" * 400, 2, "too long"),
        ("RTSP://admin:hunter2@127.0.0.1:9/live", 1, "***@127.0.0.1:9/live' refused"),
        ("  rtsp://127.0.0.1:9/live ", 1, "refused the connection"),
        ("rtsp://admin:hunter2@2@127.0.0.1:9/a", 1, "***@127.0.0.1:9/a' refused"),
        ("rtsp://127.0.0.1:9/\u0436\u0438\u0432\u043e\u0439", 1, "refused the connection"),
        ("rtsp://camera.invalid/live", 1, "does not resolve"),
    ],
)
def test_every_url_that_is_mistyped_gets_one_sentence(
    terminal: Terminal, source: str, code: int, sentence: str
) -> None:
    ran = terminal.run("camera", "probe", source)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert sentence in ran.err
    assert ran.err.count("\n") == 1
    assert "hunter2" not in ran.err
    assert "hun ter2" not in ran.err

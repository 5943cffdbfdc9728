"""`watchword serve` as a process: what its users do with it, on real files, over real HTTP."""

import re
import shlex
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.conftest import ROOT
from tests.e2e.media import BLUE, GREEN, GREY, RED, write_video
from tests.e2e.serving import QUICK, Serve, wait_for

CURL = re.compile(r"^curl .*?(?<!\\)$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.timeout(900)  # several waits, each of which may be long


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey, then red for six seconds, then grey long enough for the alert to close."""
    return write_video(
        tmp_path_factory.mktemp("film") / "film.mp4", [(GREY, 4), (RED, 6), (GREY, 12)]
    )


def inside(folder: Path, film: Path, name: str = "film.mp4") -> str:
    """The film below the folder that serve may read files from; its relative name."""
    shutil.copy(film, folder / name)
    return name


def plain(command: str) -> str:
    """A shell command without its continued lines and its way into the background."""
    return command.replace("\\\n", "").rstrip("& ")


def test_an_event_is_told_once_to_everyone_who_wants_to_know(serve, hook, film, tmp_path) -> None:
    server = serve()
    subscription = server.post("subscriptions", {"url": hook.url, "states": ["opened", "closed"]})
    query = server.add_query("red", severity="critical")
    follower = server.follow()
    server.add_camera("yard", inside(tmp_path, film))
    wait_for(lambda: len(hook.messages) == 2, about="two messages")
    wait_for(lambda: follower.events and follower.events[-1]["state"] == "closed")

    (alert,) = server.alerts()
    assert (alert["query_id"], alert["camera_id"]) == (query["id"], "yard")
    assert (alert["state"], alert["severity"]) == ("closed", "critical")
    history = server.get(f"alerts/{alert['id']}")["history"]
    assert history[0]["state"] == "opened"
    assert [event["revision"] for event in history] == list(range(1, len(history) + 1))
    assert follower.ids == [f"{alert['id']}.{event['revision']}" for event in history]
    assert [message["type"] for message in hook.messages] == ["alert.opened", "alert.closed"]
    assert hook.ids == [f"{alert['id']}.1", f"{alert['id']}.{len(history)}"]
    for body, headers in zip(hook.bodies, hook.headers, strict=True):
        Webhook(subscription["secret"]).verify(body, headers)
    again = server.follow(last_event_id=follower.ids[0])
    wait_for(lambda: again.ids == follower.ids[1:], about="the stream to resume")
    assert server.end() == 0


def test_cameras_and_queries_change_while_it_runs(serve, film, tmp_path) -> None:
    server = serve()
    name = inside(tmp_path, film)
    for camera in ("east", "west"):
        server.add_camera(camera, name, loop=True)
    red = server.add_query("red", cameras=["east"])
    wait_for(lambda: server.get(f"queries/{red['id']}")["state"] == "armed")
    wait_for(lambda: server.alerts(camera="east"), about="an alert of east")
    west = server.get("cameras/west")["health"]
    since = west["since"]

    server.http.patch("/v1/cameras/east", json={"paused": True})
    wait_for(lambda: server.metric("watchword_stream_up", camera="east") == 0.0)
    edited = server.http.patch(f"/v1/queries/{red['id']}", json={"cameras": ["west"]}).json()
    assert edited["version"] == 2
    wait_for(lambda: server.alerts(camera="west"), about="an alert of west")
    (alert,) = server.alerts(camera="west")
    assert alert["query_version"] == 2

    assert server.http.delete("/v1/cameras/east").status_code == 204
    assert server.http.get("/v1/cameras/east").status_code == 404
    gone = 'watchword_stream_up{camera="east"}'
    wait_for(lambda: gone not in server.http.get("/metrics").text, about="its series to go")
    server.http.patch(f"/v1/queries/{red['id']}", json={"state": "paused"})
    assert server.get(f"queries/{red['id']}")["state"] == "paused"
    turns = server.metric("watchword_clips_total", camera="west", outcome="ok")
    wait_for(lambda: server.metric("watchword_clips_total", camera="west", outcome="ok") > turns)
    assert server.get("cameras/west")["health"]["since"] >= since


def test_a_query_added_while_an_event_is_on_finds_it(serve, tmp_path) -> None:
    server = serve()
    write_video(tmp_path / "long.mp4", [(BLUE, 120)])
    server.add_camera("yard", "long.mp4")
    wait_for(lambda: server.metric("watchword_clips_total", camera="yard", outcome="ok") >= 1)
    server.add_query("green")
    query = server.add_query("blue")
    wait_for(lambda: server.alerts(query=query["id"]), about="the alert")
    assert not server.alerts(state="closed")


def test_silenced_alerts_are_kept_and_told_to_nobody(serve, hook, tmp_path) -> None:
    server = serve()
    write_video(tmp_path / "long.mp4", [(RED, 60)])
    server.post("subscriptions", {"url": hook.url})
    red = server.add_query("red")
    silence = server.post("silences", {"duration_seconds": 3600, "queries": [red["id"]]})
    blue_and_red = [server.add_camera(name, "long.mp4") for name in ("east", "west")]
    assert len(blue_and_red) == 2
    (alert, other) = wait_for(lambda: (found := server.alerts())[1:] and found)
    assert {alert["suppressed"], other["suppressed"]} == {"silence"}
    assert alert["suppressed_by"] == silence["id"]
    suppressed = partial(server.metric, "watchword_alerts_suppressed_total", reason="silence")
    wait_for(lambda: suppressed() == 2, about="both to be counted")
    assert hook.messages == []


def test_what_was_open_goes_on_after_kill_9(serve, hook, tmp_path) -> None:
    server = serve(grounding={**QUICK, "merge_seconds": 40})  # more than a start takes
    write_video(tmp_path / "long.mp4", [(RED, 240)])
    server.post("subscriptions", {"url": hook.url, "states": ["opened", "closed"]})
    query = server.add_query("red", labels={"owner": "night shift"})
    server.add_camera("yard", "long.mp4", loop=True)
    (alert,) = wait_for(server.alerts, about="the alert")

    def registered() -> dict[str, object]:
        kinds = ("queries", "subscriptions", "silences")
        return {kind: server.get(kind)["items"] for kind in kinds}

    before = registered()
    server.kill()
    server.start()
    # The text is encoded again after a start: until then the query is pending
    wait_for(lambda: registered() == before, about="what was registered, the query armed")
    seen = server.alerts()
    assert [one["id"] for one in seen] == [alert["id"]]
    # The camera's new session shows the same event: it extends the alert, no other is opened
    revision = seen[0]["revision"]
    wait_for(lambda: server.alerts()[0]["revision"] > revision, about="the alert to go on")
    server.http.delete("/v1/cameras/yard")
    wait_for(lambda: server.alerts(state="closed"), about="the alert to close on silence")
    (closed,) = server.alerts()
    assert closed["id"] == alert["id"]
    assert closed["query_id"] == query["id"]
    wait_for(lambda: len(hook.messages) >= 2)
    assert sorted(set(hook.ids)) == sorted(
        {f"{alert['id']}.1", f"{alert['id']}.{closed['revision']}"}
    )


def test_several_colours_on_several_cameras_at_once(serve, tmp_path) -> None:
    server = serve()
    shown = {"red": RED, "green": GREEN, "blue": BLUE}
    for name, colour in shown.items():
        write_video(tmp_path / f"{name}.mp4", [(GREY, 4), (colour, 30)])
        server.add_query(name)
    for name in shown:
        server.add_camera(name, f"{name}.mp4")
    alerts = wait_for(lambda: len(found := server.alerts()) == 3 and found)
    assert {(alert["query"], alert["camera_id"]) for alert in alerts} == {(c, c) for c in shown}


@pytest.mark.needs("promtool")
def test_the_metrics_page_is_what_prometheus_expects(serve, film, tmp_path) -> None:
    server = serve()
    server.add_query("red")
    server.add_camera("yard", inside(tmp_path, film))
    wait_for(server.alerts)
    page = server.http.get("/metrics").text
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert 'watchword_alerts_total{severity="warning",state="opened"} 1.0' in page


@pytest.mark.needs("curl")
def test_the_three_commands_of_the_readme_show_an_alert(tmp_path: Path, lite: str) -> None:
    """With the default bundle and the demo's real clip, which the demo keeps in the environment."""
    from deploy.sample_clip import sample_clip

    page = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [found for found in CURL.findall(page) if "localhost:8080" in found]
    assert len(commands) == 3
    (source,) = re.findall(r'"source": "([^"]+)"', commands[1])
    clip = tmp_path / source
    clip.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(sample_clip(), clip)
    server = Serve(tmp_path, {"bundle": lite})
    try:
        follow, add_camera, add_query = (
            shlex.split(
                command.rstrip("& ").replace("\\\n", "").replace("localhost:8080", server.url)
            )
            for command in commands
        )
        following = subprocess.Popen([*follow, "--silent"], stdout=subprocess.PIPE, text=True)
        try:
            for command in (add_camera, add_query):
                done = subprocess.run(command, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                assert '"id"' in done.stdout
            assert following.stdout is not None
            line = next(line for line in following.stdout if line.startswith("data: "))
        finally:
            following.kill()
            following.communicate()
        assert '"state":"opened"' in line
    finally:
        server.close()

"""`watchword serve` back-filling: files that are read as fast as possible, with their own times."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import watchword
from tests.e2e.media import GREY, RED, write_video
from tests.e2e.serving import QUICK, Serve, wait_for

BEGAN = datetime(2025, 3, 1, 8, tzinfo=UTC)
CLIP_SECONDS = 2.0
# Two events, the second of which goes on to the end of the film
FILM = [(GREY, 40), (RED, 6), (GREY, 200), (RED, 8)]
EVENTS = [(40, 46), (246, 254)]

pytestmark = pytest.mark.timeout(900)  # several waits, each of which may be long


def health(server: Serve, camera: str) -> dict[str, Any]:
    return server.get(f"cameras/{camera}")["health"] or {"state": "", "message": ""}


def clips(server: Serve, camera: str) -> float:
    return sum(
        server.metric("watchword_clips_total", camera=camera, outcome=outcome)
        for outcome in ("ok", "short")
    )


def closed(server: Serve, camera: str, count: int) -> list[dict[str, Any]]:
    """The alerts of a camera, in the film's order, once so many are closed."""
    wait_for(
        lambda: len(server.alerts(camera=camera, state="closed")) == count,
        about=f"{count} closed alerts of {camera}",
    )
    return sorted(server.alerts(camera=camera), key=lambda alert: alert["start"])


def check_times(alerts: list[dict[str, Any]]) -> None:
    assert len(alerts) == len(EVENTS)
    for alert, event in zip(alerts, EVENTS, strict=True):
        for key, seconds in zip(("start", "end"), event, strict=True):
            at = datetime.fromisoformat(alert[key])
            assert abs(at - (BEGAN + timedelta(seconds=seconds))).total_seconds() <= CLIP_SECONDS


def test_a_film_is_back_filled_with_its_own_times_and_told_once(serve, hook, tmp_path) -> None:
    server = serve()
    write_video(tmp_path / "film.mp4", FILM)
    server.post("subscriptions", {"url": hook.url, "states": ["opened", "closed"]})
    red = server.add_query("red")
    wait_for(lambda: server.get(f"queries/{red['id']}")["state"] == "armed")
    added = watchword(
        *("camera", "add", "yard", "film.mp4", "--pace", "fastest"),
        *("--start", BEGAN.isoformat(), "--server", server.url),
    )
    assert added.code == 0, added.err
    alerts = closed(server, "yard", 2)
    check_times(alerts)
    assert health(server, "yard")["state"] == "ended"
    seconds = sum(length for _, length in FILM)
    assert clips(server, "yard") == seconds / CLIP_SECONDS
    wait_for(lambda: len(hook.messages) == 4, about="both alerts to be told")
    assert server.get("blind", camera="yard")["items"] == []
    ids, history = sorted(hook.ids), server.get(f"alerts/{alerts[1]['id']}")["history"]

    assert server.end() == 0
    server.start()
    wait_for(lambda: clips(server, "yard") == seconds / CLIP_SECONDS, about="the film, once more")
    wait_for(lambda: health(server, "yard")["state"] == "ended")
    wait_until_through(server)
    assert closed(server, "yard", 2) == alerts
    assert server.get(f"alerts/{alerts[1]['id']}")["history"] == history
    assert sorted(hook.ids) == ids


def wait_until_through(server: Serve) -> None:
    """Until nothing was evaluated for longer than grounding waits for the next clip of a film."""
    grace = QUICK["silence_grace_seconds"] + 2
    seen, since = -1.0, time.monotonic()

    def is_through() -> bool:
        nonlocal seen, since
        now = server.metric("watchword_query_evaluations_total", stage="scope")
        if now != seen:
            seen, since = now, time.monotonic()
        return now > 0 and time.monotonic() > since + grace

    wait_for(is_through, about="the film to be through")


def test_after_kill_9_a_film_goes_on_as_if_nothing_had_happened(serve, hook, tmp_path) -> None:
    server = serve()
    write_video(tmp_path / "film.mp4", FILM)
    server.post("subscriptions", {"url": hook.url, "states": ["opened", "closed"]})
    server.add_query("red")
    server.add_camera("yard", "film.mp4", pace="fastest", start=BEGAN.isoformat())
    wait_for(lambda: len(server.alerts(camera="yard")) == 2, about="the second alert to open")
    server.kill()
    server.start()
    check_times(closed(server, "yard", 2))
    wait_for(lambda: len(set(hook.ids)) == 4, about="both alerts to be told")
    wait_until_through(server)
    assert len(server.alerts(camera="yard")) == 2
    assert len(set(hook.ids)) == 4  # at a crash a message may come twice, with the same id


def test_a_film_that_is_missing_or_damaged_harms_nobody(serve, tmp_path) -> None:
    server = serve()
    write_video(tmp_path / "film.mp4", FILM[:2])
    (tmp_path / "damaged.mp4").write_bytes(b"\0" * 4096)
    server.add_query("red")
    server.add_camera("gone", "gone.mp4", pace="fastest")
    server.add_camera("damaged", "damaged.mp4", pace="fastest")
    for camera, reason, said in (
        ("gone", "unknown", "There is no file"),
        ("damaged", "decode", "not a video"),
    ):
        labels = {"camera": camera, "reason": reason}
        wait_for(
            lambda labels=labels: server.metric("watchword_stream_reconnects_total", **labels) >= 2,
            about=f"{camera} to be tried again",
        )
        assert health(server, camera)["state"] == "failed"
        assert said in health(server, camera)["message"]
    server.add_camera("yard", "film.mp4", pace="fastest", start=BEGAN.isoformat())
    closed(server, "yard", 1)
    write_video(tmp_path / "there.mp4", FILM[:2]).rename(tmp_path / "gone.mp4")
    wait_for(lambda: health(server, "gone")["state"] == "ended", about="the film that came late")
    assert server.end() == 0


def test_what_cannot_be_read_faster_than_it_plays_is_refused(serve, tmp_path) -> None:
    server = serve()
    write_video(tmp_path / "film.mp4", FILM[:1])
    for words, said in (
        (("rtsp://127.0.0.1:1/a", "--pace", "fastest"), "only a file can be read faster"),
        (("film.mp4", "--pace", "fastest", "--loop"), "give one of both"),
        (("film.mp4", "--start", BEGAN.isoformat()), "set 'pace' to 'fastest'"),
        (("film.mp4", "--pace", "brisk"), "'pace'"),
    ):
        done = watchword("camera", "add", "yard", *words, "--server", server.url)
        assert done.code == 2
        assert said in done.err

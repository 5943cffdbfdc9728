"""kill -9 at moments that a seed chooses: what was acknowledged is there, and told under one id."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.media import GREY, RED, write_video
from tests.e2e.serving import Hook, Serve, wait_for

SEED = 20261123
SCENES = [(RED, 4), (GREY, 10)] * 10


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


def crash(folder: Path, colours: Path, hook: Hook, kills: int, longest: float) -> None:
    chance = random.Random(SEED)
    write_video(folder / "film.mp4", SCENES)
    server = Serve(folder, {"bundle": str(colours)})
    try:
        server.post("subscriptions", {"url": hook.url, "states": ["opened", "closed"]})
        server.add_query("red")
        server.add_camera("yard", "film.mp4", loop=True)
        acknowledged: list[str] = []
        revisions: dict[str, int] = {}
        for number in range(kills):
            until = time.monotonic() + chance.uniform(0.5, longest)
            while time.monotonic() < until:
                acknowledged.append(server.add_query(f"blue {number} {len(acknowledged)}")["id"])
                revisions |= {alert["id"]: alert["revision"] for alert in server.alerts(limit=200)}
            server.kill()
            server.start()
            kept = {alert["id"]: alert["revision"] for alert in server.alerts(limit=200)}
            assert all(kept.get(known, 0) >= at for known, at in revisions.items())
            assert set(acknowledged) <= all_queries(server)
        opened = wait_for(lambda: server.alerts(), about="an alert after the last kill")
        assert opened
        server.http.delete("/v1/cameras/yard")
        wait_for(lambda: not not_closed(server), about="all alerts to close")
        told = {f"{alert['id']}.{alert['revision']}" for alert in server.alerts(limit=200)}
        told |= {f"{alert['id']}.1" for alert in server.alerts(limit=200)}
        wait_for(lambda: told <= set(hook.ids), about="every event to be delivered")
        assert set(hook.ids) == told
        # A repeat is allowed only where a kill fell between sending and recording
        repeats = sum(count - 1 for count in Counter(hook.ids).values())
        assert repeats <= kills
        bodies = {
            (headers["webhook-id"], body)
            for headers, body in zip(hook.headers, hook.bodies, strict=True)
        }
        assert len(bodies) == len(told)
    finally:
        server.close()


def all_queries(server: Serve) -> set[str]:
    found: set[str] = set()
    page = server.get("queries", limit=200)
    while True:
        found |= {query["id"] for query in page["items"]}
        if page["next"] is None:
            return found
        page = server.get("queries", limit=200, cursor=page["next"])


def not_closed(server: Serve) -> list[str]:
    return [alert["id"] for alert in server.alerts(limit=200) if alert["state"] != "closed"]


@pytest.mark.timeout(900)
def test_two_kills_lose_nothing(tmp_path: Path, colours: Path, hook: Hook) -> None:
    crash(tmp_path, colours, hook, kills=2, longest=8.0)


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path: Path, colours: Path, hook: Hook) -> None:
    crash(tmp_path, colours, hook, kills=20, longest=15.0)


@pytest.mark.timeout(900)
def test_a_subscriber_that_was_away_gets_what_it_missed_once(
    tmp_path: Path, colours: Path, hook: Hook
) -> None:
    hook.status = 503
    write_video(tmp_path / "film.mp4", [(RED, 60)])
    server = Serve(tmp_path, {"bundle": str(colours), "delivery": {"first_retry_seconds": 1.0}})
    try:
        server.post("subscriptions", {"url": hook.url})
        server.add_query("red")
        server.add_camera("yard", "film.mp4")
        wait_for(lambda: hook.messages, about="the first attempt")
        server.kill()
        hook.status = 204
        tried = len(hook.messages)
        server.start()
        wait_for(lambda: len(hook.messages) > tried, about="the attempt after the restart")
        assert len(set(hook.ids)) == 1
        sent = 'watchword_delivery_attempts_total{channel="webhook",outcome="accepted"} 1.0'
        wait_for(lambda: sent in httpx.get(f"{server.url}/metrics").text)
    finally:
        server.close()

"""kill -9 at any moment: what was acknowledged is there, and nothing is delivered twice as new."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.store import Store
from tests.conftest import ROOT
from tests.deploy.store.records import Clock, reopen

WRITER = ROOT / "tests" / "deploy" / "store" / "crash_writer.py"
KILLS = 2


def write_until_killed(folder: Path, lines: int) -> list[tuple[str, str]]:
    """What the writer had acknowledged when it was killed, a little after so many lines."""
    writer = subprocess.Popen(
        [sys.executable, str(WRITER), str(folder)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    with writer.stdout:
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    writer.wait()
    return [tuple(json.loads(line)) for line in said if line.endswith("\n")]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_acknowledged_writes_survive(place: Path, seed: int) -> None:
    chance = random.Random(seed)
    said: list[tuple[str, str]] = []
    for _ in range(KILLS):  # each goes on where the one before was killed
        said += write_until_killed(place, chance.randint(1, 60))
    store = reopen(place, Clock())
    for camera_id in told(said, "camera"):
        assert store.cameras.get(camera_id).camera_id == camera_id
    for alert_id in told(said, "acknowledged"):
        assert store.alerts.get(alert_id).acknowledged_by == "writer"
    events = [event.alert.event_id for event in store.alerts.events_after(0, 10_000)]
    assert set(told(said, "event")) <= set(events)
    assert len(store.alerts.open_states()) == len(events)
    published = [row.message.key for row in store.outbox.pending(10_000)]
    assert set(told(said, "camera")) <= set(published)
    check_deliveries(said, events, send_all(store))
    store.close()


def check_deliveries(said: list[tuple[str, str]], events: list[str], sent: list[str]) -> None:
    """Nothing is lost, and nothing is told again that was noted as told."""
    assert [one for one in sent if one.startswith("slow ")] == [f"slow {one}" for one in events]
    desk = {one for one in sent if one.startswith("desk ")}
    claimed, noted = set(told(said, "claimed")), set(told(said, "sent"))
    assert not desk & noted
    assert {f"desk {one}" for one in events} <= desk | claimed
    # Claimed and gone: noted as sent, but killed before that was said
    assert len({f"desk {one}" for one in events} - desk - noted) <= KILLS


def send_all(store: Store) -> list[str]:
    """The deliveries that still wait, in the order they are sent."""
    sent = []
    while claimed := store.deliveries.claim(2, 60.0):
        for delivery in claimed:
            store.deliveries.sent(delivery)
            sent.append(f"{delivery.subscription_id} {delivery.event_id}")
    return sent


def told(said: list[tuple[str, str]], kind: str) -> list[str]:
    return [name for said_kind, name in said if said_kind == kind]

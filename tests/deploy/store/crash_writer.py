"""Writes to a store and says each write once it was acknowledged, until it is killed."""

import itertools
import json
import os
import sys
from pathlib import Path

from deploy.store import Store
from streamer.errors import EntityExistsError
from tests.deploy.store.records import Clock, camera, opened, reopen, subscription


def say(kind: str, name: str) -> None:
    sys.stdout.write(json.dumps([kind, name]) + "\n")
    sys.stdout.flush()


def write_one(store: Store, name: str) -> None:
    store.cameras.add(camera(name), "writer")
    say("camera", name)
    store.alerts.write(opened(name))
    say("event", f"{name}.1")
    store.alerts.acknowledge(name, "writer")
    say("acknowledged", name)
    for delivery in store.deliveries.claim(2, 3600.0):
        say("claimed", f"{delivery.subscription_id} {delivery.event_id}")
        if delivery.subscription_id == "desk":  # the other one's receiver never answers
            store.deliveries.sent(delivery)
            say("sent", f"desk {delivery.event_id}")


def main() -> None:
    store = reopen(Path(sys.argv[1]), Clock())
    for name in ("desk", "slow"):
        try:
            store.subscriptions.add(subscription(name), "writer")
        except EntityExistsError:
            continue
    for number in itertools.count():
        write_one(store, f"{os.getpid()}-{number}")


if __name__ == "__main__":
    main()

"""A server with followers to be measured: its real app and store, in a process of its own.

    python -m deploy.bench.fan_out_server FOLDER

prints its port. Each line it then reads is an order to write alerts, and is answered by when each
was committed. It ends with its standard input.
"""

import resource
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
from prometheus_client import REGISTRY

from deploy.bench.fan_out import Order, Written
from deploy.bench.open_files import allow_open_files
from deploy.http.app import build_app
from deploy.http.parts import HttpParts
from deploy.http.server import HttpServer, bind
from deploy.store import Store, open_store
from deploy.vault import Vault
from grounding.alert import Alert
from grounding.alert_stream import AlertStream

CURVE = 15  # clips of saliency an alert shows: half a minute


class _Writer:
    """Writes alerts as the api part does, and notes when they can be read."""

    def __init__(self, store: Store) -> None:
        self._alerts = store.alerts
        self._commits: list[float] = []
        # Heard before the stream hears of it: no follower can be told any sooner
        store.alerts.listen(lambda: self._commits.append(time.monotonic()))

    def write(self, order: Order) -> Written:
        self._commits.clear()
        began = time.monotonic()
        for number in range(order.count):
            if order.rate:
                time.sleep(max(0.0, began + number / order.rate - time.monotonic()))
            self._alerts.write([(_alert(order.first + number), b"")])
        return Written(list(self._commits), time.process_time(), _resident_bytes())


def serve(folder: Path) -> None:
    """Print the port, serve, and obey until standard input ends."""
    allow_open_files()
    vault = Vault.open(folder / "key")
    with closing(open_store(f"sqlite:///{folder / 'watchword.db'}", vault)) as store:
        writer, stream = _Writer(store), AlertStream(store.alerts)
        store.alerts.listen(stream.notify)
        with bind("127.0.0.1", 0) as listener:
            server = HttpServer(build_app(_parts(store, stream)), listener, 5.0)
            stop = threading.Event()
            serving = threading.Thread(target=server.run, args=(stop,))
            serving.start()
            _say(listener.getsockname()[1])
            for line in sys.stdin:
                _say(writer.write(msgspec.json.decode(line, type=Order)))
            stream.close()
            stop.set()
            serving.join()


def _parts(store: Store, stream: AlertStream) -> HttpParts:
    unasked = cast(Any, None)
    return HttpParts(
        cameras=store.cameras,
        queries=store.queries,
        subscriptions=store.subscriptions,
        silences=store.silences,
        alerts=store.alerts,
        blind_periods=store.blind_periods,
        dead_letters=store.dead_letters,
        stream=stream,
        register=unasked,
        check_webhook=unasked,
        test_delivery=unasked,
        publish=unasked,
        ready=lambda: True,
        registry=REGISTRY,
    )


def _alert(number: int) -> Alert:
    at = time.time()
    return Alert(
        alert_id=f"{number:064x}",
        revision=1,
        state="opened",
        query_id="b1f51a511f1d",
        query="two people fighting near the entrance",
        query_version=1,
        severity="warning",
        camera_id="yard",
        session=1,
        start=at - 6.0,
        end=at,
        score=0.9,
        saliency=tuple((at - 2.0 * clip - 1.0, 0.9 / (clip + 1)) for clip in range(CURVE)),
        at=at,
        bundle="watchword-lite",
    )


def _resident_bytes() -> int:
    """Now, where the system tells; else the most it has been."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)
    return pages * resource.getpagesize()


def _say(what: object) -> None:
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))

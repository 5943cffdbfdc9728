"""Parts of a process live together and end in the order of the data's way."""

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial

from deploy.parts import BEFORE, Part
from deploy.threads import Threads
from streamer.bus import Bus

_log = logging.getLogger(__name__)


def run_parts(parts: Sequence[Part], bus: Bus, stop: threading.Event, drain_seconds: float) -> None:
    """Start parts in this order; when `stop` is set, end them from the last to the first.

    A part ends by itself once the part before it in this process has: that one finished the topic
    between them. What takes in the output of other processes is told to end in its turn. What has
    not drained in time is stopped where it is. Raises the first error of any part.
    """
    stops = {part.name: threading.Event() for part in parts}

    def abort() -> None:
        for one in stops.values():
            one.set()
        bus.close()
        stop.set()

    threads = Threads(abort)
    started = {
        part.name: threads.start(part.name, partial(part.run, stops[part.name])) for part in parts
    }
    stop.wait()
    began = time.monotonic()
    for name, thread in reversed(started.items()):
        if BEFORE.get(name) not in started:
            stops[name].set()
        thread.join(max(0.0, began + drain_seconds - time.monotonic()))
    if not threads.ended_within(0.0):
        _log.warning("not drained within %g s: what was still on its way is lost", drain_seconds)
        abort()
    threads.wait()
    _log.info("Watchword ended after draining for %.1f s", time.monotonic() - began)

"""`watchword serve` under live cameras: what is lost, how late alerts are, what it costs."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.bench.figure import Figure
from deploy.bench.film import write_film
from deploy.bench.pipeline import QUERIES
from deploy.bench.served import Served
from deploy.errors import BenchError

THRESHOLD = 0.0065  # at which the street in the film is told and the still place is not
LATENCY_SECONDS = 1.5
SAMPLE_SECONDS = 10.0
WARM_UP_SECONDS = 180.0  # until every window is full (150 s) and every buffer has its size
FLAT = 1.05  # the most that memory may grow from the first to the last quarter
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What is measured, for how long."""

    cameras: int = 4
    queries: int = 20
    subscribers: int = 3
    seconds: float = 600.0
    bundle: str = "watchword-lite"


@dataclass(slots=True)
class _Watched:
    """What was seen of the server while it ran."""

    memory: list[int] = field(default_factory=list)  # resident bytes, every SAMPLE_SECONDS
    processor: list[float] = field(default_factory=list)  # seconds used so far
    at: list[float] = field(default_factory=list)  # monotonic


def bench_live(options: LiveOptions, clip: Path) -> Iterator[Figure]:
    """Figures of a run with that many cameras, queries and webhooks.

    Raises BenchError if the server ends or no alert is told.
    """
    with _running(options, clip) as (served, receiver, add_camera):
        for number in range(options.cameras):
            add_camera(number)
        watched = _watch(served, options.seconds)
        clips = _clips(served)
        yield Figure("cameras", options.cameras)
        yield Figure("clips encoded", clips.get("ok", 0.0) + clips.get("short", 0.0))
        yield Figure("clips dropped", clips.get("dropped", 0.0), "", "at most", 0.0)
        yield Figure("clips missing", clips.get("missing", 0.0), "", "at most", 0.0)
        yield from _latencies(receiver.seconds)
        yield from _costs(watched, options.cameras)


def bench_capacity(options: LiveOptions, clip: Path, step_seconds: float) -> Iterator[Figure]:
    """One camera more every `step_seconds`, until clips are dropped: the most that were carried.

    What falls behind is kept for a while before anything is dropped, so the latency of each step
    tells sooner than drops do how many cameras are watched in time.
    """
    with _running(options, clip) as (served, receiver, add_camera):
        carried = 0
        while True:
            add_camera(carried)
            before, told = _clips(served).get("dropped", 0.0), len(receiver.seconds)
            watched = _watch(served, step_seconds)
            if _clips(served).get("dropped", 0.0) > before:
                break
            carried += 1
            used = watched.processor[-1] - watched.processor[0]
            cores = used / (watched.at[-1] - watched.at[0])
            yield Figure(f"{carried} cameras: cores used", cores)
            if late := sorted(receiver.seconds[told:]):
                middle = late[len(late) // 2]
                yield Figure(f"{carried} cameras: alert latency p50", middle, "s")
        yield Figure("live cameras before clips are dropped", carried)
        yield from _latencies(receiver.seconds)


class _Receiver:
    """Webhooks that note how late each opened alert was: now minus the end of its clip."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        receiver = self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                now = time.time()
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                receiver.seconds.append(now - _utc(message["data"]["at"]))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def _running(options: LiveOptions, clip: Path) -> Iterator[Any]:
    """The server with its queries and subscribers, and a function that adds the n-th camera."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="watchword-bench-")))
        film = folder / "film.mp4"
        write_film(film, clip)
        port = _start_cameras(film, stack)
        receiver = _Receiver()
        stack.callback(receiver.close)
        served = Served(folder, {"bundle": options.bundle})
        stack.callback(served.close)
        client = stack.enter_context(httpx.Client(base_url=served.url, trust_env=False))
        for number in range(options.subscribers):
            _post(client, "subscriptions", {"url": f"{receiver.url}/{number}"})
        for text in QUERIES[: options.queries]:
            _post(client, "queries", {"text": text, "sensitivity": {"threshold": THRESHOLD}})

        def add_camera(number: int) -> None:
            source = f"http://127.0.0.1:{port}/{number}"
            _post(client, "cameras", {"id": f"camera-{number}", "source": source})

        yield served, receiver, add_camera


def _start_cameras(film: Path, stack: ExitStack) -> int:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "deploy.bench.live_cameras", str(film)],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.enter_context(process)  # which closes its pipes, and waits for its end
    stack.callback(process.kill)
    assert process.stdout is not None
    return int(process.stdout.readline())


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    answer = client.post(f"/v1/{path}", json=body, timeout=PATIENCE_SECONDS)
    if answer.status_code != httpx.codes.CREATED:
        raise BenchError(f"the server refused what is to be measured: {answer.text}")


def _watch(served: Served, seconds: float) -> _Watched:
    watched, ends = _Watched(), time.monotonic() + seconds
    while (now := time.monotonic()) < ends:
        if served.process.poll() is not None:
            raise BenchError(f"the server ended: {''.join(served.log)[-2000:]}")
        watched.memory.append(_resident_bytes(served.process.pid))
        watched.processor.append(_processor_seconds(served.process.pid))
        watched.at.append(now)
        time.sleep(min(SAMPLE_SECONDS, max(0.0, ends - now)))
    return watched


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _clips(served: Served) -> dict[str, float]:
    """Clips of all cameras by outcome."""
    page = httpx.get(f"{served.url}/metrics", trust_env=False, timeout=PATIENCE_SECONDS).text
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "watchword_clips_total":
                outcome = sample.labels["outcome"]
                totals[outcome] = totals.get(outcome, 0.0) + sample.value
    return totals


def _latencies(seconds: Sequence[float]) -> Iterator[Figure]:
    if not seconds:
        raise BenchError("no alert was told: there is no latency to measure")
    ordered = sorted(seconds)
    yield Figure("alerts received", len(ordered))
    for share, target in ((50, None), (95, LATENCY_SECONDS), (99, None)):
        value = ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
        yield Figure(f"alert latency p{share}, after the clip's end", value, "s", "at most", target)


def _costs(watched: _Watched, cameras: int) -> Iterator[Figure]:
    warm = int(min(WARM_UP_SECONDS / SAMPLE_SECONDS, len(watched.memory) // 2))
    memory = watched.memory[warm:]
    quarter = max(1, len(memory) // 4)
    first, last = median(memory[:quarter]), median(memory[-quarter:])
    used = watched.processor[-1] - watched.processor[warm]
    cores = used / (watched.at[-1] - watched.at[warm])
    yield Figure("resident memory, last quarter", last / 1e6, "MB")
    yield Figure("memory, last / first quarter", last / first, "x", "at most", FLAT)
    yield Figure("cores used", cores)
    yield Figure("cores used per camera", cores / cameras)


def _utc(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

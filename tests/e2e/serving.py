"""A real `watchword serve`, a process of its own, and those who talk to it."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from deploy.bench.served import Served
from deploy.parts import PARTS, choose_parts

# Alerts close after seconds, not half a minute
QUICK = {"merge_seconds": 3, "settle_seconds": 2, "silence_grace_seconds": 3}
PATIENCE = 120.0  # seconds until a test gives up waiting: a busy machine needs some of them


def wait_for(what: Callable[[], Any], *, about: str = "", patience: float = PATIENCE) -> Any:
    """The first true value of `what`."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {patience:g} s in vain for {about or what}")


class Serve(Served):
    """`watchword serve` with what tests say to it; with `only` some parts of it."""

    def __init__(self, folder: Path, settings: dict[str, Any], only: str = "") -> None:
        super().__init__(folder, {"grounding": QUICK, **settings}, only)

    def start(self) -> None:
        self.began = time.time()
        super().start()
        self.followers: list[Follower] = []
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    def end(self) -> int:
        code = super().end()
        self._hang_up()
        return code

    def close(self) -> None:
        super().close()
        self._hang_up()

    def _hang_up(self) -> None:
        for one in (self.http, *self.followers):
            one.close()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that run in it, in the data's order."""
        return choose_parts(self.only or None, "kafka")

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.http.get("/healthz/ready").status_code == 200, about="readiness")

    def kill(self) -> None:
        """kill -9: no chance to tidy up."""
        super().close()
        self._hang_up()

    def pause(self) -> None:
        """It stands still, connections open, until `resume`."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after `pause`."""
        self.process.send_signal(signal.SIGCONT)

    def post(self, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
        answer = self.http.post(f"/v1/{path}", json=body)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        answer = self.http.get(f"/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def add_camera(self, camera_id: str, source: str | Path, **fields: Any) -> dict[str, Any]:
        return self.post("cameras", {"id": camera_id, "source": str(source), **fields})

    def add_query(self, text: str, **fields: Any) -> dict[str, Any]:
        return self.post("queries", {"text": text, **fields})

    def alerts(self, **filters: Any) -> list[dict[str, Any]]:
        return list(self.get("alerts", **filters)["items"])

    def metric(self, name: str, **labels: str) -> float:
        """The value of one series on the metrics page; 0 where there is none."""
        return next((value for _, value in self._series(name, labels)), 0.0)

    def by_camera(self, name: str, **labels: str) -> dict[str, float]:
        """The values of the series that have these labels, by their label `camera`."""
        found = self._series(name, labels)
        return {given["camera"]: value for given, value in found}

    def _series(self, name: str, labels: dict[str, str]) -> Iterator[tuple[dict[str, str], float]]:
        for line in self.http.get("/metrics").text.splitlines():
            series, _, value = line.rpartition(" ")
            this, _, inside = series.partition("{")
            given = dict(pair.split("=", 1) for pair in inside.rstrip("}").split(",") if pair)
            given = {label: quoted.strip('"') for label, quoted in given.items()}
            if this == name and labels.items() <= given.items():
                yield given, float(value)

    def follow(self, last_event_id: str = "", **filters: Any) -> "Follower":
        self.followers.append(Follower(self.url, last_event_id, filters))
        return self.followers[-1]


class Split:
    """One Watchword in several processes with one folder, each a `Serve` that has a name.

    `Split(folder, settings, eyes="streamer,encoder", mind="grounding", api="api")` starts three;
    `split["mind"].kill()` and `.start()` change one, `split.add(mind2="grounding")` brings more.
    A process keeps its name as its `kafka.instance`, as pods do, when it is started again.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], **processes: str) -> None:
        self.folder = folder
        self._settings = settings
        self._processes: dict[str, Serve] = {}
        self.add(**processes)

    def add(self, **processes: str) -> None:
        """Start more processes, all at once; if one does not come up, none stays."""

        def start(name: str, only: str) -> None:
            kafka = {**self._settings["kafka"], "instance": name}
            self._processes[name] = Serve(self.folder, {**self._settings, "kafka": kafka}, only)

        with ThreadPoolExecutor(len(processes)) as pool:
            started = [pool.submit(start, name, only) for name, only in processes.items()]
        try:
            for one in started:
                one.result()
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> Serve:
        return self._processes[name]

    def __iter__(self) -> Iterator[Serve]:
        return iter(self._processes.values())

    @property
    def api(self) -> Serve:
        """A process that has the api part."""
        return next(one for one in self if "api" in one.only.split(","))

    def wait_until_ready(self) -> None:
        for one in self:
            one.wait_until_ready()

    def end(self) -> dict[str, int]:
        """SIGTERM to all, in the data's order; exit codes by name."""
        order = sorted(self._processes, key=lambda name: PARTS.index(self[name].parts[0]))
        return {name: self[name].end() for name in order}

    def close(self) -> None:
        for one in self:
            one.close()


class Follower:
    """Reads the alert stream until closed; `events` is what came, `ids` their SSE ids."""

    def __init__(self, url: str, last_event_id: str, filters: dict[str, Any]) -> None:
        self.events: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self._client = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        request = self._client.build_request(
            "GET", "/v1/alerts/stream", headers=headers, params=filters
        )
        self._response = self._client.send(request, stream=True)
        assert self._response.status_code == 200, self._response.read()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in self._response.iter_lines():
                if not line and "data" in fields:
                    self.ids.append(fields["id"])
                    self.events.append(json.loads(fields["data"]))  # what tests wait for
                if not line:
                    fields = {}
                else:
                    name, _, value = line.partition(": ")
                    fields[name] = value
        except (httpx.HTTPError, httpx.StreamError):
            return

    def close(self) -> None:
        self._response.close()
        self._client.close()


@dataclass
class Hook:
    """A webhook's end: what came, with its headers; `status` is what it answers."""

    status: int = 204
    messages: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        hook = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.bodies.append(body)
                hook.headers.append({name.lower(): value for name, value in self.headers.items()})
                hook.messages.append(json.loads(body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers in self.headers]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

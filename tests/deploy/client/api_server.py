"""A tiny server that speaks the contract of `/v1`: entities in memory, and scripted streams."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Entities = dict[str, dict[str, Any]]
TIMES = {"created_at": "2025-03-01T08:00:00Z", "updated_at": "2025-03-01T08:00:00Z"}
COMPLETED: dict[str, dict[str, Any]] = {
    "cameras": {
        "labels": {},
        "loop": False,
        "pace": "own",
        "start": None,
        "paused": False,
        "rtsp_transport": "tcp",
        "sub_source": None,
        "decode": "auto",
        "masks": [],
        "region": None,
        "evidence": True,
        "decoder": None,
        "credentials": None,
        "health": None,
        "declared": False,
        "revision": 1,
        **TIMES,
    },
    "queries": {
        "negatives": [],
        "cameras": ["*"],
        "schedule": None,
        "sensitivity": {"alerts_per_day": 1.0, "threshold": None},
        "severity": "warning",
        "labels": {},
        "for_seconds": 0.0,
        "keep_firing_for_seconds": 0.0,
        "cooldown_seconds": 0.0,
        "state": "armed",
        "version": 1,
        "revision": 1,
        "declared": False,
        "warnings": [],
        "effective_at": "2025-03-01T08:00:00Z",
        **TIMES,
    },
    "subscriptions": {
        "states": ["opened"],
        "queries": ["*"],
        "cameras": ["*"],
        "min_severity": "info",
        "paused": False,
        "disabled_reason": "",
        **TIMES,
    },
    "silences": {
        "starts_at": "2025-03-01T08:00:00Z",
        "ends_at": "2999-03-01T08:00:00Z",
        "queries": ["*"],
        "cameras": ["*"],
        "comment": "",
        **TIMES,
    },
    "alerts": {},
    "deadletters": {
        "topic": "watchword.embeddings.v1",
        "partition": 3,
        "offset": 7,
        "key": "yard",
        "error": "EmbeddingRecordError",
        "attempt": 2,
        "size": 6,
        "sha256": "ab" * 32,
        "kept": True,
        "replayable": True,
        "obstacle": "",
        "arrived_at": "2025-03-01T08:00:00Z",
        "replayed_at": None,
        "headers": [{"name": "trace", "value": "YWJj"}],
        "value": "YnJva2Vu",
        "decoded": None,
    },
    "blind": {
        "camera": "yard",
        "start": "2025-03-01T08:00:00.000000Z",
        "end": "2025-03-01T08:00:42.000000Z",
        "seconds": 42.0,
        "reason": "stream",
        "queries": ["*"],
    },
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    params: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Script:
    """What the server holds, how it answers, and what it was asked."""

    url: str = ""
    token: str | None = None
    entities: dict[str, Entities] = field(default_factory=lambda: {kind: {} for kind in COMPLETED})
    streams: list[bytes] = field(default_factory=list)  # one a connection; then it hangs up
    hold: threading.Event | None = None  # what it waits for before it hangs up
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)  # "METHOD path" -> answer
    asked: list[Asked] = field(default_factory=list)

    def put(self, kind: str, entity_id: str, **fields: Any) -> dict[str, Any]:
        self.entities[kind][entity_id] = {**COMPLETED[kind], "id": entity_id, **fields}
        return self.entities[kind][entity_id]

    def bodies(self, method: str) -> list[Any]:
        return [one.body for one in self.asked if one.method == method]


class Refused(Exception):
    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = {"type": "about:blank", "status": status, "detail": detail, **more}


def answer(script: Script, asked: Asked) -> tuple[int, Any]:
    """The status and body of one request."""
    if script.token and asked.headers.get("authorization") != f"Bearer {script.token}":
        raise Refused(401, "This server wants a token it knows.")
    if fixed := script.answers.get(f"{asked.method} {asked.path}"):
        if fixed[0] >= 400 and isinstance(fixed[1], dict):
            raise Refused(fixed[0], **fixed[1])
        return fixed
    _, _, kind, *rest = asked.path.split("/")
    held = script.entities[kind]
    if not rest:
        return _add(script, kind, asked) if asked.method == "POST" else (200, _page(held, asked))
    entity_id = unquote(rest[0])
    if entity_id not in held:
        raise Refused(404, f"There is no such thing in {kind}: '{entity_id}'.")
    if asked.method == "DELETE":
        del held[entity_id]
        return 204, None
    if asked.method == "PATCH":
        held[entity_id] = _merged(held[entity_id], asked.body)
    return 200, held[entity_id]


def _add(script: Script, kind: str, asked: Asked) -> tuple[int, Any]:
    fields = dict(asked.body)
    entity_id = fields.pop("id", None) or f"{len(script.entities[kind]):012x}"
    if entity_id in script.entities[kind]:
        raise Refused(409, f"The id '{entity_id}' is taken.")
    fields.pop("duration_seconds", None)
    made = script.put(kind, entity_id, **fields)
    return 201, made | ({"secret": "whsec_c2VjcmV0"} if kind == "subscriptions" else {})


def _page(held: Entities, asked: Asked) -> dict[str, Any]:
    ids = list(held)
    begin = int(asked.params.get("cursor", ["0"])[0])
    limit = int(asked.params.get("limit", ["50"])[0])
    end = begin + limit
    return {
        "items": [held[one] for one in ids[begin:end]],
        "next": str(end) if end < len(ids) else None,
    }


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None and name != "schedule":
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = parts.path
            asked = Asked(self.command, path, parse_qs(parts.query), headers, body)
            script.asked.append(asked)
            if path.endswith("/stream") and script.streams:
                self._send(200, script.streams.pop(0), "text/event-stream")
                if script.hold is not None:
                    script.hold.wait(60)
                return
            try:
                status, made = answer(script, asked)
            except Refused as refused:
                self._send(refused.status, refused.problem, "application/problem+json")
            else:
                self._send(status, made)

        do_GET = do_POST = do_PATCH = do_DELETE = _respond

        def _send(self, status: int, made: Any, kind: str = "application/json") -> None:
            written = made if isinstance(made, bytes) else json.dumps(made).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if kind != "text/event-stream" and status != 204:
                self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            if status != 204:
                self.wfile.write(written)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(
    script: Script, make: Callable[[Script], type[BaseHTTPRequestHandler]] = handler
) -> Iterator[Script]:
    """The script, answered on an ephemeral port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), make(script))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A live camera: alerts are told as they happen, and Ctrl-C ends the run with what was seen."""

import http.server
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import SECONDS
from tests.e2e.media import GREY, RED, write_video

STREAM_SECONDS = 60.0
PIECES_PER_SECOND = 10


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[str]:
    """The address of a camera that shows red for its first 20 seconds, at its own speed."""
    scenes = [(RED, 20), (GREY, STREAM_SECONDS - 20)]
    content = write_video(tmp_path / "stream.ts", scenes).read_bytes()
    piece = 1 + int(len(content) / STREAM_SECONDS / PIECES_PER_SECOND)

    class Stream(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            try:
                for begin in range(0, len(content), piece):
                    self.wfile.write(content[begin : begin + piece])
                    time.sleep(1 / PIECES_PER_SECOND)
            except OSError:
                return  # the reader left

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/gate.ts"
    server.shutdown()
    server.server_close()


def test_an_alert_opens_live_and_an_interrupt_closes_it(camera: str, colours: Path) -> None:
    words = ["watch", camera, "--query", "red", "--bundle", str(colours)]
    running = subprocess.Popen(
        [sys.executable, "-m", "deploy", *words, "--json", "--follow-updates"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        opened = json.loads(running.stdout.readline())
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=SECONDS)
    finally:
        running.kill()
    assert running.returncode == 0, err
    assert "Traceback" not in err
    *alerts, last = [json.loads(line) for line in out.splitlines()]
    assert (opened["state"], opened["camera"]) == ("opened", "127-0-0-1-gate")
    assert opened["start_seconds"] is None
    assert alerts[-1]["state"] == "closed"
    assert alerts[-1]["id"] == opened["id"]
    assert last["summary"]["alerts"] == 1

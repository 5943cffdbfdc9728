"""A camera over HTTP, MPEG-TS or MJPEG at its own speed, which can be told to stand still."""

import http.server
import threading
from dataclasses import dataclass, field
from pathlib import Path

PIECES_PER_SECOND = 20
AT_ONCE_SECONDS = 6.0  # FFmpeg looks at so much of a transport stream before it says what it is


@dataclass
class LiveHttp:
    """Sends a film, piece by piece, to whoever asks; `paths` of the requests are noted."""

    content: bytes
    seconds: float
    kind: str = "video/mp2t"
    at_once: float = AT_ONCE_SECONDS  # of it that are sent before the others, as fast as they go
    still: threading.Event = field(default_factory=threading.Event)  # set: nothing more is sent
    paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        camera, over = self, threading.Event()
        piece = 1 + int(len(self.content) / self.seconds / PIECES_PER_SECOND)
        at_once = int(self.at_once * PIECES_PER_SECOND) * piece

        class Stream(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.paths.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", camera.kind)
                self.end_headers()
                try:
                    self.wfile.write(camera.content[:at_once])
                    for begin in range(at_once, len(camera.content), piece):
                        while camera.still.is_set() and not over.wait(0.05):
                            pass
                        self.wfile.write(camera.content[begin : begin + piece])
                        if over.wait(1 / PIECES_PER_SECOND):
                            return
                except OSError:
                    return  # the reader left

            def log_message(self, *_: object) -> None:
                pass

        self._over = over
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stream)
        self._server.daemon_threads = False
        self._server.block_on_close = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @classmethod
    def of(cls, path: Path, seconds: float) -> "LiveHttp":
        """Sends a file."""
        return cls(path.read_bytes(), seconds)

    def url(self, name: str = "live.ts") -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def close(self) -> None:
        """Hang up on everybody; closing twice is allowed."""
        if self._over.is_set():
            return
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

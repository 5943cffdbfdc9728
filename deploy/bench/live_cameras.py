"""Cameras to be measured on: an MPEG-TS stream over HTTP, at its own speed, without end.

A process of its own, so that what serving costs is not counted as what watching costs:

    python -m deploy.bench.live_cameras FILE

prints its port. `/0`, `/1`, ... are cameras that show the same film, each begun elsewhere in it.
It ends with its standard input.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

APART = 0.381966  # of the film's length from camera to camera: no two show an event together


def serve(path: str) -> None:
    """Print the port and serve until standard input ends."""
    film = _Film(path)

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = int(self.path.strip("/") or 0)
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            try:
                for piece in film.play((number * APART * film.seconds) % film.seconds):
                    self.wfile.write(piece)
            except OSError:
                return  # the viewer left

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # viewers are still being served


class _Film:
    """Packets of a file, remuxed with timestamps that go on from turn to turn."""

    def __init__(self, path: str) -> None:
        import av

        self._path = path
        with av.open(path) as container:
            stream = container.streams.video[0]
            packets: list[Any] = [p for p in container.demux(stream) if p.dts is not None]
            base: Any = stream.time_base
            self._packets = packets
            self._ticks = packets[-1].dts + packets[-1].duration  # of one turn
            self.seconds = float(self._ticks * base)

    def play(self, begin: float) -> Iterator[bytes]:
        """Pieces of the stream as they are due, from the key frame before `begin` on."""
        import av

        sink = BytesIO()
        with av.open(self._path) as container, av.open(sink, "w", format="mpegts") as out:
            template = container.streams.video[0]
            stream = out.add_stream_from_template(template)
            base = float(template.time_base or 0)
            for packet, due in self._timed(begin, base):
                packet.stream = stream
                out.mux(packet)
                if piece := sink.getvalue():
                    time.sleep(max(0.0, due - time.monotonic()))
                    yield piece
                    sink.seek(0)
                    sink.truncate()

    def _timed(self, begin: float, base: float) -> Iterator[tuple[Any, float]]:
        import av

        first = max(
            i for i, p in enumerate(self._packets) if p.is_keyframe and p.dts * base <= begin
        )
        began, turn = time.monotonic() - self._packets[first].dts * base, 0
        while True:
            for packet in self._packets[first:]:
                copy = av.Packet(bytes(packet))
                copy.time_base, copy.duration = packet.time_base, packet.duration
                copy.pts = packet.pts + turn * self._ticks
                copy.dts = packet.dts + turn * self._ticks
                copy.is_keyframe = packet.is_keyframe
                yield copy, began + copy.dts * base
            first, turn = 0, turn + 1


if __name__ == "__main__":
    serve(sys.argv[1])

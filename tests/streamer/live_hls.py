"""A camera by HLS: a playlist of the newest segments, which goes on with the clock."""

import http.server
import threading
import time
from pathlib import Path

import av

from tests.streamer.media import Video, write_video

SEGMENT_SECONDS = 1
WINDOW = 4  # segments in the playlist


def cut_segments(folder: Path, seconds: int) -> int:
    """Writes `0.ts`, `1.ts`, ... of a second each; how many."""
    film = write_video(folder / "film.mp4", Video(key_frame_every=10), seconds * 10)
    options = {
        "hls_time": str(SEGMENT_SECONDS),
        "hls_list_size": "0",
        "hls_segment_filename": str(folder / "%d.ts"),
    }
    with (
        av.open(str(film)) as source,
        av.open(str(folder / "all.m3u8"), "w", "hls", options=options) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return len(list(folder.glob("*.ts")))


class LiveHls:
    """`still` set: the playlist does not go on; `missing`: segments that are not there."""

    def __init__(self, folder: Path, count: int) -> None:
        self.still = threading.Event()
        self.missing: set[int] = set()
        self.is_over = False
        self._began = time.monotonic() - WINDOW * SEGMENT_SECONDS
        self._count = count
        camera = self

        class Server(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                if name == "live.m3u8":
                    self._answer(camera.playlist().encode(), "application/vnd.apple.mpegurl")
                elif name.removesuffix(".ts").isdigit() and int(name[:-3]) not in camera.missing:
                    self._answer((folder / name).read_bytes(), "video/mp2t")
                else:
                    self.send_error(404)

            def _answer(self, content: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self._newest = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/live.m3u8"

    @property
    def newest(self) -> int:
        """The newest segment."""
        if not self.still.is_set():
            past = int((time.monotonic() - self._began) / SEGMENT_SECONDS)
            self._newest = min(past, self._count - 1)
        return self._newest

    def playlist(self) -> str:
        first = max(0, self.newest - WINDOW + 1)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:3",
            f"#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
        ]
        for number in range(first, self.newest + 1):
            lines += [f"#EXTINF:{SEGMENT_SECONDS}.0,", f"{number}.ts"]
        return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if self.is_over else []), ""])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

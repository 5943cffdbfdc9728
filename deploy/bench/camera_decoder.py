"""Cameras of one process being decoded as fast as they can: what a worker process of `serve` does.

    python -m deploy.bench.camera_decoder '{"path": ..., ...}'

prints a line when it is ready, begins with a line on its standard input, and prints as JSON what
processor time and memory it took.
"""

import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamer.clip import ClipFormat
from streamer.config import Decode, ReadOptions


@dataclass(frozen=True, slots=True)
class Work:
    """So many cameras that show the same film once."""

    path: str
    decode: Decode
    cameras: int
    clip_format: ClipFormat

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def read_work(text: str) -> Work:
    """What `Work.as_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    return Work(**fields | {"clip_format": ClipFormat(**fields["clip_format"])})


def run(work: Work) -> None:
    """Do it, and print what it took."""
    import streamer.source  # noqa: F401 - what it costs to load is no cost of a camera

    before = _resident_bytes()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began = time.process_time()
    cameras = [threading.Thread(target=_watch, args=(work,)) for _ in range(work.cameras)]
    for camera in cameras:
        camera.start()
    peak = before
    for camera in cameras:
        while camera.is_alive():
            camera.join(0.05)
            peak = max(peak, _resident_bytes())
    seconds = time.process_time() - began
    bytes_each = (peak - before) / work.cameras
    sys.stdout.write(json.dumps({"seconds": seconds, "bytes_each": bytes_each}) + "\n")


def _watch(work: Work) -> None:
    from streamer.cut import cut_clips
    from streamer.source import read_frames

    options = ReadOptions("bench", work.clip_format, decode=work.decode, decode_threads=1)
    for _clip in cut_clips(read_frames(work.path, options), work.clip_format):
        pass


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    run(read_work(sys.argv[1]))

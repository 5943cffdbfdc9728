"""Videos made for a test: plain colours, one after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

GREY, RED, GREEN, BLUE = (90, 90, 90), (230, 20, 20), (20, 200, 20), (20, 20, 230)
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Video:
    size: tuple[int, int] = (128, 64)
    fps: int = 10
    codec: str = "libx264"


def write_video(
    path: Path, scenes: Sequence[tuple[Colour, float]], video: Video | None = None
) -> Path:
    """A file that shows each colour for so many seconds."""
    video = video or Video()
    width, height = video.size
    options = {"preset": "ultrafast", "g": str(video.fps)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video.codec, rate=video.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for colour, seconds in scenes:
            picture = np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()
            picture[:: height // 8] //= 2  # not quite plain: a codec would send nothing at all
            for _ in range(round(seconds * video.fps)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with a sound track only."""
    rate = 8000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        tone = np.sin(np.arange(int(seconds * rate)) / 5).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def damage(path: Path, damaged: Path, begin: float, end: float) -> Path:
    """A copy whose bytes from `begin` to `end` (shares of its length) are noise."""
    content = bytearray(path.read_bytes())
    first, last = int(begin * len(content)), int(end * len(content))
    content[first:last] = np.random.default_rng(1).bytes(last - first)
    damaged.write_bytes(content)
    return damaged

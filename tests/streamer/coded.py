"""Streams as cameras code them: with reordered pictures, few key frames, damage."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from tests.streamer.media import draw

FPS = 25
# A key frame in every picture that differs, as they all do, would be none of a camera's habits
_X264 = {"preset": "veryfast", "sc_threshold": "0"}
B_FRAMES = {"bf": "2", "g": "50", **_X264}
NO_B_FRAMES = {"bf": "0", "g": "50", **_X264}


@dataclass(frozen=True)
class Coded:
    """How pictures are coded; each shows its number."""

    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: dict(B_FRAMES))
    pixel_format: str = "yuv420p"
    fps: int = FPS
    size: tuple[int, int] = (128, 96)


def write_coded(path: Path, coded: Coded, pictures: int) -> Path:
    """A file whose picture `i` shows `i` at `i / fps` seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(coded.codec, rate=coded.fps, options=coded.options)
        stream.width, stream.height = coded.size
        stream.pix_fmt = coded.pixel_format
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(draw(number % 4096, *coded.size), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, coded.fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path

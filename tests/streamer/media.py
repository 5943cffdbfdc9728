"""Videos made for tests: every picture shows its own number, in blocks that survive coding."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from streamer.clip import ClipFormat
from streamer.frame import ClockSource, Frame

ROWS, COLUMNS = 3, 4  # 12 bits: numbers up to 4095
START = 1_700_000_000.0
SMALL = ClipFormat(frames=4, width=64, height=48)


def draw(number: int, width: int = 128, height: int = 96) -> NDArray[np.uint8]:
    """A picture [H, W, 3] whose blocks, row by row, are the number's bits (white = 1)."""
    bits = [number >> (ROWS * COLUMNS - 1 - i) & 1 for i in range(ROWS * COLUMNS)]
    grid = np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * 200 + 25
    ys = np.arange(height) * ROWS // height
    xs = np.arange(width) * COLUMNS // width
    return np.repeat(grid[ys][:, xs][:, :, None], 3, axis=2)


def read_number(pixels: NDArray[np.uint8]) -> int:
    """The number a picture shows."""
    height, width, _ = pixels.shape
    number = 0
    for row in range(ROWS):
        for column in range(COLUMNS):
            y = (2 * row + 1) * height // (2 * ROWS)
            x = (2 * column + 1) * width // (2 * COLUMNS)
            number = number << 1 | int(pixels[y - 1 : y + 2, x - 1 : x + 2].mean() > 125)
    return number


@dataclass(frozen=True)
class Video:
    """How a test video is coded."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    fps: int = 10
    width: int = 128
    height: int = 96
    rotation: int = 0  # degrees
    created: str | None = "2023-11-14T22:13:20Z"  # START
    key_frame_every: int = 10
    container: str | None = None


def write_video(path: Path, video: Video, times: Sequence[float] | int) -> Path:
    """A video whose picture `i` shows `i` at `times[i]` seconds (or i / fps)."""
    seconds = [i / video.fps for i in range(times)] if isinstance(times, int) else times
    with av.open(str(path), "w", format=video.container) as container:
        if video.created:
            container.metadata["creation_time"] = video.created
        stream = container.add_stream(video.codec, rate=video.fps)
        stream.width, stream.height = video.width, video.height
        stream.pix_fmt = video.pixel_format
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = video.key_frame_every
        if video.codec == "libx264":
            stream.options = {"preset": "ultrafast", "crf": "18"}
        if video.codec == "libx265":
            stream.options = {"preset": "ultrafast", "x265-params": "log-level=none"}
        if video.rotation:
            stream.set_display_rotation(video.rotation)
        for number, at in enumerate(seconds):
            picture = draw(number % 4096, video.width, video.height)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = round(at * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """A file with a sound track only."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        silence = np.zeros((1, 1024), np.float32)
        for i in range(20):
            frame = av.AudioFrame.from_ndarray(silence, "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, i * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frame_at(
    at: float,
    number: int = 0,
    *,
    clock_source: ClockSource = "file",
    pts: float | None = None,
    timeline: int = 0,
) -> Frame:
    """A tiny frame without a decoder: its pixels [1, 1, 3] hold its number's low bits."""
    high, low = divmod(number, 256)
    pixels = np.array([[[high % 256, low, 0]]], np.uint8)
    media = at - START if pts is None else pts
    return Frame("yard", at, media, pixels, clock_source, timeline)


def tiny_number(pixels: NDArray[np.uint8]) -> int:
    """The number of a `frame_at` picture."""
    return int(pixels[0, 0, 0]) * 256 + int(pixels[0, 0, 1])


def frames_at(times: Iterable[float], clock_source: ClockSource = "file") -> list[Frame]:
    """Frames numbered from 0, at seconds after START."""
    return [frame_at(START + at, i, clock_source=clock_source) for i, at in enumerate(times)]

"""Decoding alone, beside what ffmpeg itself does with the same file."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from deploy.bench.figure import Figure
from deploy.errors import BenchError
from streamer.clip import ClipFormat
from streamer.config import ReadOptions

SHARE_OF_FFMPEG = 0.8


def bench_decode(path: Path, clip_format: ClipFormat, repeats: int = 3) -> Iterator[Figure]:
    """Times `read_frames` and `ffmpeg -i FILE -f null -` in turns; medians.

    Raises BenchError if ffmpeg fails on the file.
    """
    ours: list[float] = []
    cut: list[float] = []
    theirs: list[float] = []
    frames = 0
    for _ in range(repeats):
        seconds, frames = _read(path, clip_format)
        ours.append(seconds)
        cut.append(_cut(path, clip_format))
        if shutil.which("ffmpeg"):
            theirs.append(_ffmpeg(path))
    yield Figure("decode alone", frames / median(ours), "frames/s")
    yield Figure("decode, resize and cut clips", frames / median(cut), "frames/s")
    if theirs:
        yield Figure("ffmpeg -f null -", frames / median(theirs), "frames/s")
        ratio = median(theirs) / median(ours)
        yield Figure("decode alone / ffmpeg", ratio, "", "at least", SHARE_OF_FFMPEG)


def _read(path: Path, clip_format: ClipFormat) -> tuple[float, int]:
    from streamer.source import read_frames

    began = time.perf_counter()
    frames = sum(1 for _ in read_frames(str(path), ReadOptions("bench", clip_format)))
    return time.perf_counter() - began, frames


def _cut(path: Path, clip_format: ClipFormat) -> float:
    from streamer.cut import cut_clips
    from streamer.source import read_frames

    began = time.perf_counter()
    for _clip in cut_clips(read_frames(str(path), ReadOptions("bench", clip_format)), clip_format):
        pass
    return time.perf_counter() - began


def _ffmpeg(path: Path) -> float:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-map", "0:v:0"]
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - a path is an argument, never a shell's words
        [*command, "-f", "null", "-"], capture_output=True, text=True
    )
    if done.returncode:
        raise BenchError(f"ffmpeg cannot read {path}: {done.stderr.strip()}")
    return time.perf_counter() - began

"""How many 1080p cameras this machine decodes, by how much of them is decoded, beside ffmpeg."""

import json
import resource
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from deploy.bench.camera_decoder import Work
from deploy.bench.camera_film import write_camera_film, write_turns
from deploy.bench.figure import Figure
from deploy.bench.machine import cores
from deploy.bench.scene import SceneOptions
from deploy.errors import BenchError
from streamer.clip import ClipFormat
from streamer.config import Decode

SHARE_OF_FFMPEG = 0.9
CAMERA = SceneOptions(width=1920, height=1080, seconds=6.0, bits_per_second=4_000_000)
PER_PROCESS = 4  # as served

MODES: tuple[Decode, ...] = ("auto", "all", "nonref", "keyframes")
# So many turns of the scene that a run takes some seconds, and opening the file is little of it
TURNS: dict[Decode, int] = {"auto": 1, "all": 1, "nonref": 1, "keyframes": 10}
_FFMPEG: dict[Decode, Sequence[str]] = {
    # A key frame each 2 s fills no clip, so that is what auto comes to here
    "auto": ("-skip_frame", "noref"),
    "all": (),
    "nonref": ("-skip_frame", "noref"),
    "keyframes": ("-skip_frame", "nokey"),
}
_ROOT = Path(__file__).resolve().parents[2]


def bench_many_cameras(
    folder: Path, clip_format: ClipFormat, repeats: int = 3, scene: SceneOptions = CAMERA
) -> Iterator[Figure]:
    """Cameras in real time: decoded, and T frames of each 2 s resized, in turns with ffmpeg.

    By processor time, which others on the machine hardly change. Ours are processes of
    `PER_PROCESS` cameras, one for each core; of ffmpeg there is one process for each camera. Every
    decoder has one thread. The films are left in `folder`.

    Raises BenchError if a process fails.
    """
    works = [_prepare(folder, mode, clip_format, scene) for mode in MODES]
    took: dict[tuple[str, Decode], list[float]] = defaultdict(list)
    memory: dict[Decode, list[float]] = defaultdict(list)
    for _ in range(repeats):
        for work in works:
            seconds, bytes_each = _ours(work)
            took["ours", work.decode].append(seconds)
            memory[work.decode].append(bytes_each)
            if shutil.which("ffmpeg"):
                took["ffmpeg", work.decode].append(_ffmpeg(work))
    for mode in MODES:
        # Seconds of all cameras, for each of which every core has one
        shown = cores() * cores() * PER_PROCESS * TURNS[mode] * scene.seconds
        ours = shown / median(took["ours", mode])
        yield Figure(f"decode {mode}: cameras of {scene.height}p{scene.fps}", ours)
        if theirs := took["ffmpeg", mode]:
            yield Figure(f"decode {mode}: by ffmpeg", shown / median(theirs))
            ratio = median(theirs) / median(took["ours", mode])
            yield Figure(f"decode {mode}: ours / ffmpeg", ratio, "", "at least", SHARE_OF_FFMPEG)
    # As cameras are decoded unless somebody says otherwise
    name = f"memory of a camera of {scene.height}p{scene.fps}, decode {MODES[0]}"
    yield Figure(name, median(memory[MODES[0]]) / 1e6, "MB")


def _prepare(folder: Path, mode: Decode, clip_format: ClipFormat, scene: SceneOptions) -> Work:
    film, longer = folder / "camera.mp4", folder / f"camera-{TURNS[mode]}.mp4"
    if not film.exists():
        write_camera_film(film, scene)
    if not longer.exists():
        write_turns(film, longer, TURNS[mode])
    return Work(str(longer), mode, PER_PROCESS, clip_format)


def _ours(work: Work) -> tuple[float, float]:
    """Processor seconds of all cameras, and the bytes that each added at the most."""
    command = [sys.executable, "-m", "deploy.bench.camera_decoder", work.as_json()]
    processes = [
        subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(cores())
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = []
    for process in processes:
        out, _ = process.communicate()
        if process.returncode:
            raise BenchError(f"a process that decodes ended with status {process.returncode}")
        told.append(json.loads(out))
    return sum(one["seconds"] for one in told), max(one["bytes_each"] for one in told)


def _ffmpeg(work: Work) -> float:
    before = _of_children()
    processes = [
        subprocess.Popen(  # noqa: S603 - a path is an argument, never a shell's words
            ffmpeg_command(work), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(cores() * work.cameras)
    ]
    for process in processes:
        _, said = process.communicate()
        if process.returncode:
            raise BenchError(f"ffmpeg cannot read {work.path}: {said.strip()}")
    return _of_children() - before


def _of_children() -> float:
    """Processor seconds of processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ffmpeg_command(work: Work) -> Sequence[str]:
    """ffmpeg decoding and resizing the frames that clips show."""
    clip = work.clip_format
    scale = f"scale={clip.width}:{clip.height}:flags={clip.kernel},format=rgb24"
    # Of key frames there are fewer than a clip has frames: each is resized once
    chosen = "" if work.decode == "keyframes" else f"fps={clip.frames}/{clip.seconds:g},"
    return [
        *("ffmpeg", "-nostdin", "-v", "error", "-threads", "1", *_FFMPEG[work.decode]),
        *("-i", work.path, "-map", "0:v:0"),
        *("-filter_threads", "1", "-vf", chosen + scale, "-vsync", "passthrough"),
        *("-f", "null", "-"),
    ]

"""Cameras for tests of evidence: a video's packets, given to a recorder as a reader would."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

from streamer.evidence.config import EvidenceConfig
from streamer.evidence.names import Segment, read_segment
from streamer.evidence.recorder import EvidenceRecorder
from streamer.evidence.shelf import Shelf, open_shelf
from streamer.packet_tap import PacketTap, StreamFacts
from tests.streamer.media import START, Video, draw, read_number

SECOND = Fraction(1, 1000)


def make_video(
    path: Path, video: Video, frames: int, options: dict[str, str] | None = None
) -> Path:
    """A video whose picture `i` shows `i`; `options` are the coder's."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video.codec, rate=video.fps)
        stream.width, stream.height = video.width, video.height
        stream.pix_fmt = video.pixel_format
        stream.codec_context.gop_size = video.key_frame_every
        stream.options = options or {}
        for number in range(frames):
            picture = draw(number % 4096, video.width, video.height)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, video.fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def feed(path: Path, tap: PacketTap, start: float = START, *, end: bool = True) -> float:
    """Give a video's packets to a tap, as one connection; returns when its last picture was."""
    newest = start
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert stream.time_base is not None
        tap.begin(
            StreamFacts(
                context.codec.canonical_name,
                context.extradata,
                stream.time_base,
                context.width,
                context.height,
            )
        )
        for packet in container.demux(stream):
            if packet.size:
                assert packet.pts is not None
                at = start + float(packet.pts * stream.time_base)
                newest = max(newest, at)
                tap.packet(bytes(packet), packet.pts, packet.dts, packet.is_keyframe, at)
    if end:
        tap.end()
    return newest


def config_of(folder: Path, **fields: object) -> EvidenceConfig:
    config = EvidenceConfig(
        url=str(folder), open_folder=folder / "_open", segment_seconds=2.0, keep_free_bytes=0
    )
    return replace(config, **fields)  # type: ignore[arg-type]


@contextmanager
def recorder_of(config: EvidenceConfig, camera_id: str = "yard") -> Iterator[EvidenceRecorder]:
    recorder = EvidenceRecorder(camera_id, config, open_shelf(config.url))
    try:
        yield recorder
    finally:
        recorder.close()


def names_in(shelf: Shelf, folder: str = "") -> list[str]:
    """All names below a folder, but for what is not complete."""
    found = [entry.name for entry in shelf.files(folder)]
    for inner in shelf.folders(folder):
        if inner != "_open":
            found += names_in(shelf, f"{folder}/{inner}" if folder else inner)
    return sorted(found)


def segments_in(shelf: Shelf) -> list[Segment]:
    return sorted(found for name in names_in(shelf) if (found := read_segment(name)))


def numbers_in(path: Path) -> list[int]:
    """What the pictures of a video show."""
    return [number for _, number in shown_in(path)]


def shown_in(path: Path) -> list[tuple[float, int]]:
    """When each picture of a video is shown, in seconds, and its number."""
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0.0), read_number(frame.to_ndarray(format="rgb24")))
            for frame in container.decode(container.streams.video[0])
        ]

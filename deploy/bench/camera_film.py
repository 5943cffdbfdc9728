"""What the cameras of the decoding bench show, long enough for each way of decoding."""

from pathlib import Path
from typing import Any

from deploy.bench.scene import SceneOptions, write_scene

# Two pictures of three that no other is made from, in turn: what encoders of cameras do
B_FRAMES = {"bf": "2", "b_adapt": "0", "b-pyramid": "none", "sc_threshold": "0"}


def write_camera_film(path: Path, scene: SceneOptions) -> None:
    """Encode the scene with B-frames, as H.264 in an MP4 file."""
    write_scene(path, scene, B_FRAMES)


def write_turns(path: Path, longer: Path, turns: int) -> None:
    """Copy a film so many times one after the other, without decoding it."""
    import av

    with av.open(str(path)) as film, av.open(str(longer), "w") as out:
        template = film.streams.video[0]
        stream = out.add_stream_from_template(template)
        packets: list[Any] = [packet for packet in film.demux(template) if packet.size]
        length = sum(packet.duration for packet in packets)
        for turn in range(turns):
            for packet in packets:
                copy = av.Packet(bytes(packet))
                copy.time_base, copy.duration = packet.time_base, packet.duration
                copy.pts = packet.pts + turn * length
                copy.dts = packet.dts + turn * length
                copy.is_keyframe = packet.is_keyframe
                copy.stream = stream
                out.mux(copy)

"""The training sources that are videos, each read into footage and frames.

Every reader yields `(footage, frames [T, H, W, 3])`; cameras of the fight clips and rooms of the
bed falls are found by clustering median backgrounds.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from grounding.training.concepts import lacks
from grounding.training.footage import Event, Footage
from grounding.training.pictures import Pixels, motion, read_picture, read_video
from grounding.training.source_groups import Item, grouped

VIDEO_FPS = 8.0
DAILY_FPS = 4.0  # long clips of one activity need no more
CCTV_FPS = 5.0  # of the numbered accident frames


def read_accidents(data: Path) -> Iterator[Item]:
    """The numbered CCTV videos, merged from both packs; frames they disagree on are left out."""
    videos: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    pictures: dict[tuple[str, int], Path] = {}
    for path, label in _labelled_frames(data):
        match = re.fullmatch(r"(test\d*|5)_(\d+)", path.stem.split("_jpg.rf.")[0])
        if match:
            key = match[1], int(match[2])
            videos[key[0]][key[1]].add(label)
            pictures.setdefault(key, path)
    for video, labels in sorted(videos.items()):
        agreed = [number for number in sorted(labels) if len(labels[number]) == 1]
        frames = np.concatenate([read_picture(pictures[video, number]) for number in agreed])
        crashed = np.array([labels[number] == {"accident"} for number in agreed])
        events = _runs(crashed, "accident")
        camera = "test8" if video == "test9" else video  # one camera, two videos
        yield (
            Footage(
                id=f"accident/{video}",
                source="accident",
                group=f"accident/{camera}",
                kind="video",
                fps=CCTV_FPS,
                frames=len(frames),
                shows=("traffic",),
                events=events,
                lacks=lacks("street", {"accident"} if events else {"traffic"}),
            ),
            frames,
        )


def _labelled_frames(data: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted((data / "accident_cctv").rglob("*.jpg")):
        yield path, path.parent.name
    for path in sorted((data / "accident_boxes").rglob("*.jpg")):
        boxes = path.parent.parent / "labels" / f"{path.stem}.txt"
        yield path, "accident" if boxes.read_text().strip() else "normal"


def _runs(flags: np.ndarray, concept: str) -> tuple[Event, ...]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return tuple(
        Event(concept, float(start) / CCTV_FPS, float(end) / CCTV_FPS)
        for start, end in edges.reshape(-1, 2)
    )


def read_fights(data: Path) -> Iterator[Item]:
    """Two-second CCTV clips; a group is a camera."""
    items: list[Item] = []
    for path in sorted((data / "fights").rglob("*.mp4")):
        frames = read_video(path, VIDEO_FPS)
        fighting = path.parent.name == "fight"
        footage = Footage(
            id=f"fights/{path.stem}",
            source="fights",
            group="",
            kind="video",
            fps=VIDEO_FPS,
            frames=len(frames),
            shows=("fight",) if fighting else (),  # some cameras see nobody at all
            lacks=lacks("fight" if fighting else "no_fight", set()),
        )
        items.append((footage, frames))
    yield from grouped(items, "fights", 0.8)


def read_falls_in_bedrooms(data: Path) -> Iterator[Item]:
    """Synthetic four-second clips: a fall out of bed, or getting in and turning over."""
    items: list[Item] = []
    for path in sorted((data / "bed_falls").rglob("*.mp4")):
        frames = read_video(path, VIDEO_FPS)
        end = len(frames) / VIDEO_FPS
        start, stop = active_span(frames, VIDEO_FPS)
        events: tuple[Event, ...]
        if path.parent.name == "fall":
            events = (
                Event("lying_in_bed", 0.0, start),
                Event("fall", start, stop),
                Event("lying", stop, end),
            )
        elif "geton" in path.stem:
            events = (Event("getting_into_bed", start, stop), Event("lying_in_bed", stop, end))
        else:
            events = (Event("lying_in_bed", 0.0, end),)
        footage = Footage(
            id=f"bed/{path.stem}",
            source="bed",
            group="",
            kind="video",
            fps=VIDEO_FPS,
            frames=len(frames),
            events=events,
            lacks=lacks("bedroom", {event.concept for event in events}),
        )
        items.append((footage, frames))
    yield from grouped(items, "bed", 0.85, first_frame=True)


_ACTIVITIES = {
    6: "walking",
    7: "standing",
    8: "sitting",
    9: "picking_up",
    10: "jumping",
    11: "lying_in_bed",  # on the mattress, on purpose
}


def read_up_fall(data: Path) -> Iterator[Item]:
    """One man in one room, two cameras: activities 1-5 are falls, 6-11 daily life; one group."""
    for path in sorted((data / "up_fall").rglob("*.mp4")):
        match = re.match(r"Activity(\d+)_", path.name)
        if not match:
            continue
        activity = int(match[1])
        fps = VIDEO_FPS if activity <= 5 or activity == 9 else DAILY_FPS
        frames = read_video(path, fps)
        shows, events = _activity(activity, frames, fps)
        scene = "room_fall" if activity <= 5 else "room_lying" if activity == 11 else "room"
        footage = Footage(
            id=f"up_fall/{path.stem}",
            source="up_fall",
            group="up_fall",
            kind="video",
            fps=fps,
            frames=len(frames),
            shows=shows,
            events=events,
            lacks=lacks(scene, {*shows, *(event.concept for event in events)}),
        )
        yield footage, frames


def _activity(
    activity: int, frames: Pixels, fps: float
) -> tuple[tuple[str, ...], tuple[Event, ...]]:
    if activity > 5 and activity != 9:
        return (_ACTIVITIES[activity],), ()
    start, stop = active_span(frames, fps)
    end = len(frames) / fps
    if activity == 9:
        return ("standing",), (Event("picking_up", start, stop),)
    return (), (
        Event("standing", 0.0, start),
        Event("fall", start, stop),
        Event("lying", stop, end),
    )


def active_span(frames: Pixels, fps: float, share: float = 0.3) -> tuple[float, float]:
    """Seconds between which the motion stays above a share of its peak: when somebody falls."""
    energy = np.convolve(motion(frames), [0.25, 0.5, 0.25], mode="same")
    still = float(np.median(energy))
    peak = int(energy.argmax())
    active = energy - still > share * (energy[peak] - still)
    first = peak - int(np.argmin(active[peak::-1])) if not active[: peak + 1].all() else -1
    after = active[peak:]
    last = peak + int(np.argmin(after)) if not after.all() else len(active)
    return (first + 1) / fps, min(last + 1, len(frames)) / fps

"""Cutting frames into clips: the 2-second grid of a session, T evenly spaced frames each. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamer.clip import Clip, ClipFormat
from streamer.frame import Frame
from streamer.timeline import Placed, Timeline

# ok: pictures throughout; short: a part of the clip has none, or fewer than T came;
# missing: an index without any; restamped counts frames, not clips.
Outcome = Literal["ok", "short", "missing", "restamped"]

# Where the pixels of a clip are written: an array of the shape [T, H, W, 3]
Room = Callable[[tuple[int, ...]], NDArray[np.uint8]]

_GAP_STEPS = 3  # so many frames' time without a frame is a gap, not unsteady delivery


def sample_instants(clip_format: ClipFormat) -> NDArray[np.float64]:
    """Seconds into a clip at which its T frames are taken: one in each of T equal parts. [T]"""
    share = clip_format.seconds / clip_format.frames
    place = 0.5 if clip_format.instants == "middles" else 0.0
    return (np.arange(clip_format.frames, dtype=np.float64) + place) * np.float64(share)


def cut_clips(
    frames: Iterable[Frame], clip_format: ClipFormat, outcomes: Counter[Outcome] | None = None
) -> Iterator[Clip]:
    """Frames of one camera as clips; the last, partial one too.

    Args:
        frames: in the order they were decoded.
        clip_format: T, the clip's length, and the size the frames already have.
        outcomes: counts what became of each clip.
    """
    cutter = ClipCutter(clip_format, outcomes)
    for frame in frames:
        yield from cutter.push(frame)
    yield from cutter.flush()


class ClipCutter:
    """`cut_clips` a frame at a time. Keeps one clip, its newest frame, and a suspected jump."""

    def __init__(
        self,
        clip_format: ClipFormat,
        outcomes: Counter[Outcome] | None = None,
        not_before: float = 0.0,
        room: Room | None = None,
    ) -> None:
        """No session begins before `not_before` (UTC seconds)."""
        self.outcomes: Counter[Outcome] = Counter() if outcomes is None else outcomes
        self.beginnings: Counter[str] = Counter()  # sessions by why they began
        self.watched_since = 0.0  # what clips say of themselves from now on
        self._format = clip_format
        self._room = room or _new_room
        self._timeline = Timeline(not_before)
        self._session = -1  # UTC ms
        self._clip: _OpenClip | None = None
        self._skipped = 0  # indices without a picture right before the open clip

    @property
    def frames_held(self) -> int:
        """Frames kept alive here, at most four."""
        newest = self._clip is not None and self._clip.newest is not None
        return self._timeline.held + newest

    @property
    def seen_until(self) -> float:
        """Where the newest frame ends, UTC seconds: no later session may begin before; 0: none."""
        return self._timeline.seen_until

    def rewind(self) -> None:
        """What comes next is a film from its beginning: its sessions are those of each reading."""
        self._timeline = Timeline()
        self._session, self._clip, self._skipped = -1, None, 0

    def push(self, frame: Frame) -> list[Clip]:
        """The clips this frame completes."""
        return self._cut(self._timeline.push(frame))

    def flush(self) -> list[Clip]:
        """The partial last clip; the next frame begins a session."""
        return [*self._cut(self._timeline.flush()), *self._close(None)]

    def _cut(self, placed_frames: list[Placed]) -> list[Clip]:
        clips: list[Clip] = []
        for placed in placed_frames:
            if placed.begins:
                clips += self._close(None)
                self._session = max(round(placed.at * 1e6) // 1000, self._session + 1)
                self.beginnings[placed.begins] += 1
            index = self._index_at(placed.at)
            if self._clip is None or index > self._clip.index:
                after = self._clip.index + 1 if self._clip else 0
                clips += self._close(placed)
                self.outcomes["missing"] += index - after
                self._skipped = index - after
                self._clip = _OpenClip(index, self._bounds(index), self._format, self._room)
            self._clip.add(placed)
        self.outcomes["restamped"] = self._timeline.restamped
        return clips

    def _index_at(self, at: float) -> int:
        # Whole microseconds: UTC seconds as floats are 0.2 us apart, enough to miss a boundary.
        elapsed = round((at - self._session / 1000) * 1e6)
        return max(0, elapsed // round(self._format.seconds * 1e6))

    def _bounds(self, index: int) -> tuple[float, float]:
        milliseconds = self._format.seconds * 1000
        first, last = (self._session + i * milliseconds for i in (index, index + 1))
        return first / 1000, last / 1000

    def _close(self, following: Placed | None) -> list[Clip]:
        """The open clip, finished; `following` is the next frame of the same session."""
        if self._clip is None:
            return []
        clip, self._clip = self._clip, None
        step = self._timeline.step_seconds
        assert clip.newest is not None
        seen_until = min(clip.end, clip.newest.at + step)
        if following and following.at - clip.newest.at <= max(_GAP_STEPS * step, 0.5):
            seen_until = clip.end
        whole = seen_until >= clip.end and clip.frames_seen >= self._format.frames
        self.outcomes["ok" if whole else "short"] += 1
        frame = clip.newest.frame
        return [
            Clip(
                camera_id=frame.camera_id,
                session=self._session,
                index=clip.index,
                start=clip.start,
                end=clip.end,
                seen_until=seen_until,
                frames=clip.finish(),
                clock_source=frame.clock_source,
                skipped=self._skipped,
                watched_since=self.watched_since,
            )
        ]


class _OpenClip:
    """A clip being filled: an instant is settled once a frame at or after it has come."""

    def __init__(
        self, index: int, bounds: tuple[float, float], clip_format: ClipFormat, room: Room
    ) -> None:
        self.index = index
        self.start, self.end = bounds
        self.newest: Placed | None = None
        self.frames_seen = 0
        self._instants = self.start + sample_instants(clip_format)  # [T] UTC seconds
        self._room = room
        self._pixels: NDArray[np.uint8] | None = None  # [T, H, W, 3]
        self._settled = 0
        self._taken: Placed | None = None  # the frame of the last settled instant

    def add(self, placed: Placed) -> None:
        """Settles the instants up to this frame, each by the nearer of it and the one before."""
        while self._settled < len(self._instants) and self._instants[self._settled] <= placed.at:
            before, instant = self.newest, self._instants[self._settled]
            nearer_before = before and instant - before.at <= placed.at - instant
            self._settle(before if before and nearer_before else placed)
        self.newest = placed
        self.frames_seen += 1

    def finish(self) -> NDArray[np.uint8]:
        """The pixels [T, H, W, 3]; instants after the last frame show the last frame."""
        assert self.newest is not None
        while self._settled < len(self._instants):
            self._settle(self.newest)
        assert self._pixels is not None
        return self._pixels

    def _settle(self, placed: Placed) -> None:
        if self._pixels is not None and placed is self._taken:
            self._pixels[self._settled] = self._pixels[self._settled - 1]
        else:
            pixels = placed.frame.pixels  # made here, and only for frames that a clip shows
            if self._pixels is None:
                self._pixels = self._room((len(self._instants), *pixels.shape))
            self._pixels[self._settled] = pixels
        self._taken = placed
        self._settled += 1


def _new_room(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.empty(shape, np.uint8)

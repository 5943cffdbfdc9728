"""Cameras without a decoder: a `Script` is the source of one, a `Stage` of a whole fleet."""

import threading
from collections import Counter
from collections.abc import Iterator

from streamer.clip import ClipFormat
from streamer.config import ReadOptions
from streamer.errors import SourceLostError
from streamer.frame import ClockSource, Frame
from streamer.source_facts import ReadTally
from tests.streamer.media import START, frame_at

FORMAT = ClipFormat(frames=4, width=1, height=1)


class Script:
    """A source: each connection gives the frames of the next act, then its error."""

    def __init__(self, *acts: tuple[list[Frame], Exception | None]) -> None:
        self.acts = list(acts)
        self.options: list[ReadOptions] = []

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        self.options.append(options)
        frames, error = self.acts.pop(0) if self.acts else ([], SourceLostError("gone"))
        yield from frames
        if error:
            raise error


class Stage:
    """The sources of many cameras, which play until they are told to end.

    `errors` are raised in place of the first picture, by source. A camera in `held` ends only when
    it is let go, as one that hangs in a read does.
    """

    def __init__(self) -> None:
        self.opened: list[tuple[str, str, threading.Thread]] = []  # camera, source, in which thread
        self.playing: list[str] = []  # cameras being read now
        self.pictures: Counter[str] = Counter()  # by camera
        self.overlaps: list[str] = []  # cameras that were opened while they played
        self.errors: dict[str, Exception] = {}
        self.held: dict[str, threading.Event] = {}
        self.changed = threading.Condition()
        self._tick = threading.Event()  # never set

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        camera_id = options.camera_id
        with self.changed:
            self.opened.append((camera_id, source, threading.current_thread()))
            if camera_id in self.playing:
                self.overlaps.append(camera_id)
            self.playing.append(camera_id)
            self.changed.notify_all()
        try:
            if error := self.errors.get(source):
                raise error
            number = 0
            while not self._tick.wait(0.002):
                number += 1
                with self.changed:
                    self.pictures[camera_id] += 1
                    self.changed.notify_all()
                yield frame_at(START + number / 10, number, clock_source="arrival")
        finally:
            if camera_id in self.held:
                self.held[camera_id].wait(60)
            with self.changed:
                self.playing.remove(camera_id)
                self.changed.notify_all()

    def wait_for(self, *sources: str) -> None:
        """Until each of the sources has been opened, as often as it is named."""
        wanted = Counter(sources)
        with self.changed:
            assert self.changed.wait_for(
                lambda: wanted <= Counter(source for _, source, _ in self.opened), 60
            )

    def wait_for_pictures(self, camera_id: str, more: int = 5) -> None:
        """Until a camera has given so many more pictures: time enough to do what it was told."""
        with self.changed:
            enough = self.pictures[camera_id] + more
            assert self.changed.wait_for(lambda: self.pictures[camera_id] >= enough, 60)

    def wait_until_over(self, camera_id: str) -> None:
        """Until nothing of a camera is being read."""
        with self.changed:
            assert self.changed.wait_for(lambda: camera_id not in self.playing, 60)

    def threads_of(self, camera_id: str) -> list[threading.Thread]:
        """The thread of each opening of a camera."""
        with self.changed:
            return [thread for camera, _, thread in self.opened if camera == camera_id]


def steady(count: int, start: float = 0.0, clock: ClockSource = "arrival") -> list[Frame]:
    """Ten frames a second, from `start` seconds after START."""
    return [
        frame_at(START + start + i / 10, i, clock_source=clock, pts=start + i / 10)
        for i in range(count)
    ]

"""Clips that are kept beside alerts: a folder of each, `_alerts/<day>/<at>-<alert>`.

The time is when the alert closed, in UTC milliseconds. `grounding` writes what is in it, the file
`ABOUT` last: with it the clip is whole.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from streamer.evidence.shelf import Shelf

KEPT = "_alerts"  # no camera can be called that
ABOUT = "about.json"
_NAME = re.compile(r"(\d{1,16})-.+")


@dataclass(frozen=True, slots=True, order=True)
class KeptClip:
    """A clip and its pictures: when its alert closed, where it lies, and how many bytes."""

    at_ms: int
    folder: str
    size: int


def day_of(at: float) -> str:
    """The day of a time, as its folder is called.

    >>> day_of(1_700_000_000.0)
    '2023-11-14'
    """
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def clip_folder(at: float, alert_id: str) -> str:
    """Where the clip of an alert lies that closed at a time (UTC seconds)."""
    return f"{KEPT}/{day_of(at)}/{round(at * 1000)}-{alert_id}"


def surplus(clips: Iterable[KeptClip], most_bytes: int) -> list[KeptClip]:
    """The clips that have to go, the oldest first, so that the rest takes at most so many bytes."""
    ordered, gone = sorted(clips), []
    total = sum(clip.size for clip in ordered)
    for clip in ordered:
        if total <= most_bytes:
            break
        gone.append(clip)
        total -= clip.size
    return gone


class KeptClips:
    """All clips that are kept; one that is whole is listed once, and so is a day that is over."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._whole: dict[str, KeptClip] = {}  # by folder
        self._over: dict[str, list[KeptClip]] = {}  # by day

    def look(self, settled_before: float) -> list[KeptClip]:
        """What is there now; nobody adds to days before a time (UTC seconds) any more.

        Raises EvidenceStorageError.
        """
        days = self._shelf.folders(KEPT)
        whole, over, found = self._whole, self._over, list[KeptClip]()
        self._whole, self._over = {}, {}
        for day in days:
            clips = over.get(day) or list(self._in_day(day, whole))
            if day < day_of(settled_before):
                self._over[day] = clips
            found += clips
        return found

    def remove(self, clip: KeptClip) -> None:
        """Remove it. Raises EvidenceStorageError."""
        self._shelf.remove(clip.folder)
        self._whole.pop(clip.folder, None)
        day = clip.folder.split("/")[1]
        if day in self._over:
            self._over[day] = [one for one in self._over[day] if one != clip]

    def _in_day(self, day: str, whole: dict[str, KeptClip]) -> Iterator[KeptClip]:
        for name in self._shelf.folders(f"{KEPT}/{day}"):
            folder = f"{KEPT}/{day}/{name}"
            clip = whole.get(folder)
            if clip is None:
                files = self._shelf.files(folder)
                dated = _NAME.fullmatch(name)
                size = sum(one.size for one in files)
                clip = KeptClip(int(dated[1]) if dated else 0, folder, size)
                if not any(one.name == f"{folder}/{ABOUT}" for one in files):
                    yield clip
                    continue
            self._whole[folder] = clip
            yield clip

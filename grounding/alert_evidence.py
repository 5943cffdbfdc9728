"""The evidence of alerts: cut out of what the cameras sent, and kept beside the alert."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from grounding.alert import Alert
from streamer.errors import EvidenceMissingError, EvidencePendingError, SegmentError
from streamer.evidence.config import ClipOptions, EvidenceConfig
from streamer.evidence.event import Cut, Event, Wanted
from streamer.evidence.find import find_segments
from streamer.evidence.kept_clips import ABOUT, KEPT, clip_folder, day_of
from streamer.evidence.open_segment import may_come
from streamer.evidence.room import check_room
from streamer.evidence.shelf import Shelf
from streamer.evidence.work_folder import storage_faults, work_folder

Piece = Literal["clip.mp4", "thumbnail.jpg", "preview.webp"]

# A segment that is not seen being written, on another machine, comes so long after it had to end
_LATE_SECONDS = 60.0
# One that is seen and does not become complete, because its storage hangs, is waited for so long
_LONGEST_WAIT_SECONDS = 3600.0
_PEEK_SECONDS = 0.2  # of a clip that is cut for one picture

_log = logging.getLogger(__name__)


class AboutClip(msgspec.Struct, frozen=True, kw_only=True):
    """What a clip shows; times are UTC seconds.

    `offset_seconds` is where in the clip the alert begins: the clip begins with a key frame, as
    near before the time asked for as there is one. Of `parts` stretches that cannot be in one
    file (a camera that came back with another codec or size), it holds the one that shows most of
    the alert.
    """

    start: float
    end: float
    offset_seconds: float
    codec: str
    width: int
    height: int
    parts: int
    complete: bool  # more of the time asked for will not come


class AlertEvidence:
    """Cuts the clips of alerts, and keeps those of closed ones where retention leaves them.

    Until it is kept, a clip is cut anew whenever it is asked for, out of what there is so far.
    """

    def __init__(
        self,
        shelf: Shelf,
        options: ClipOptions,
        config: EvidenceConfig,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._shelf = shelf
        self._options = options
        self._config = config
        self._patience_seconds = config.most_open_seconds + _LATE_SECONDS
        self._clock = clock

    @contextmanager
    def opened(self, alert: Alert, piece: Piece) -> Iterator[tuple[Path, AboutClip]]:
        """A file on this machine, for as long as the context lasts, and what its clip shows.

        Raises:
            EvidencePendingError: the time of the alert is still being written.
            EvidenceMissingError: nothing was kept of it, or it is gone.
            EvidenceStorageError: the storage does not answer.
            SegmentError: what was kept does not decode.
        """
        if (about := self.kept(alert)) is not None:
            with self._shelf.opened(f"{_folder(alert)}/{piece}") as path:
                yield path, about
            return
        with work_folder() as folder:
            yield self._make(alert, piece, folder)

    def kept(self, alert: Alert) -> AboutClip | None:
        """What the clip shows that is kept of an alert; None while none is.

        Raises:
            EvidenceStorageError: the storage does not answer.
        """
        return self._kept(alert) if alert.state == "closed" else None

    def keep(self, alert: Alert) -> bool:
        """Keep all that belongs to a closed alert; false while some of it is not written yet.

        Raises as `opened`, but for what was never kept: then there is nothing to do.
        """
        wanted = _event(alert).wanted(self._options)
        if not self._is_complete(alert, wanted):
            return False
        if self._kept(alert) is not None:
            return True
        check_room(self._shelf, self._config)
        from streamer.evidence.event_media import make_clip  # PyAV: only where clips are cut

        with work_folder() as folder:
            clip = folder / "clip.mp4"
            try:
                cut = make_clip(self._shelf, alert.camera_id, wanted, clip)
            except EvidenceMissingError:
                return True
            for piece in ("thumbnail.jpg", "preview.webp"):
                try:
                    data = self._draw(alert, piece, clip, cut)
                except SegmentError as error:
                    _log.warning("alert %s has no %s: %s", alert.alert_id, piece, error)
                    continue
                self._shelf.put_bytes(data, f"{_folder(alert)}/{piece}")
            self._shelf.put(clip, f"{_folder(alert)}/clip.mp4")
        about = msgspec.json.encode(_about(alert, cut, complete=True))
        self._shelf.put_bytes(about, f"{_folder(alert)}/{ABOUT}")  # last: now all of it is there
        return True

    def prune(self, before: float) -> int:
        """Remove what is kept of alerts that closed before a time (UTC seconds), by whole days.

        Returns of how many days. Raises EvidenceStorageError.
        """
        old = [day for day in self._shelf.folders(KEPT) if day < day_of(before)]
        for day in old:
            self._shelf.remove(f"{KEPT}/{day}")
        return len(old)

    def _make(self, alert: Alert, piece: Piece, folder: Path) -> tuple[Path, AboutClip]:
        from streamer.evidence.event_media import make_clip  # PyAV: only where clips are cut

        wanted = _event(alert).wanted(self._options)
        complete = self._is_complete(alert, wanted)
        if piece == "thumbnail.jpg":
            peak = _event(alert).peak
            wanted = Wanted(peak, peak + _PEEK_SECONDS, peak, peak + _PEEK_SECONDS)
        clip = folder / "clip.mp4"
        try:
            cut = make_clip(self._shelf, alert.camera_id, wanted, clip)
        except EvidenceMissingError as error:
            raise self._why_none(alert, complete) from error
        about = _about(alert, cut, complete=complete)
        if piece == "clip.mp4":
            return clip, about
        drawn = folder / piece
        with storage_faults("The folder for temporary files (TMPDIR)"):
            drawn.write_bytes(self._draw(alert, piece, clip, cut))
        return drawn, about

    def _draw(self, alert: Alert, piece: Piece, clip: Path, cut: Cut) -> bytes:
        from streamer.evidence.event_media import make_preview, make_thumbnail

        event = _event(alert)
        if piece == "thumbnail.jpg":
            return make_thumbnail(clip, cut, event.peak, self._options.thumbnail_width)
        return make_preview(clip, cut, event.wanted(self._options), self._options)

    def _is_complete(self, alert: Alert, wanted: Wanted) -> bool:
        """Whether nothing more of the time asked for will come."""
        if alert.state != "closed":
            return False
        now, last = self._clock(), max(alert.at, wanted.end)
        if now < last + _LONGEST_WAIT_SECONDS and may_come(
            self._config, alert.camera_id, wanted.begin, wanted.end
        ):
            return False
        if now > last + self._patience_seconds:
            return True
        until = now + self._patience_seconds
        return bool(find_segments(self._shelf, alert.camera_id, wanted.end, until))

    def _why_none(self, alert: Alert, complete: bool) -> Exception:
        if complete or self._clock() > alert.at + 2 * self._patience_seconds:
            return EvidenceMissingError(
                f"There is no video of alert {alert.alert_id!r}: evidence of camera "
                f"{alert.camera_id!r} is off, was not kept then, or is gone."
            )
        return EvidencePendingError(
            f"The video of alert {alert.alert_id!r} is still being written: ask again in some "
            "seconds."
        )

    def _kept(self, alert: Alert) -> AboutClip | None:
        try:
            with self._shelf.opened(f"{_folder(alert)}/{ABOUT}") as path, storage_faults(str(path)):
                return msgspec.json.decode(path.read_bytes(), type=AboutClip)
        except (EvidenceMissingError, msgspec.MsgspecError):
            return None


def _about(alert: Alert, cut: Cut, *, complete: bool) -> AboutClip:
    return AboutClip(
        start=cut.start,
        end=cut.end,
        offset_seconds=round(alert.start - cut.start, 3),
        codec=cut.codec,
        width=cut.width,
        height=cut.height,
        parts=cut.parts,
        complete=complete,
    )


def _event(alert: Alert) -> Event:
    inside = [(p, at) for at, p in alert.saliency if alert.start <= at <= alert.end]
    peak = max(inside)[1] if inside else (alert.start + alert.end) / 2
    return Event(alert.camera_id, alert.start, alert.end, peak)


def _folder(alert: Alert) -> str:
    """Of a closed alert: `at` stays what it is."""
    return clip_folder(alert.at, alert.alert_id)

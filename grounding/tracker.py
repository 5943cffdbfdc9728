"""From the moments of sliding windows to alerts: one event is told once, however often it is seen.

Pure: time is an argument, and the same input gives the same events.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf

import msgspec

from grounding.alert import Alert, AlertState, alert_id
from grounding.config import AlertSettings
from grounding.moment import Moment
from grounding.query import StandingQuery
from grounding.tracked_alert import TrackedAlert
from streamer.clip import CLIP_SECONDS


class _Closed(msgspec.Struct, frozen=True):
    """What is left of an alert: later windows still see its event and must not tell it again."""

    start: float
    end: float
    session: int
    first_clip: int
    hold_seconds: float


class _Track(msgspec.Struct):
    """The alerts of one query on one camera."""

    live: list[TrackedAlert] = []  # open, and candidates
    closed: list[_Closed] = []


class _Camera(msgspec.Struct):
    clock: float  # how far it has been seen, UTC seconds
    tracks: dict[str, _Track] = {}  # by query


class AlertTracker:
    """Opens, extends and closes alerts. `dropped` counts moments and candidates not told.

    What comes within `hold_seconds` (the larger of merging and keep-firing) of an alert extends
    it, in another session too; it closes `settle_seconds` after that, because an event at a
    window's right edge is often recognised only a few clips later. A query may ask for longer
    holding, and for events that last longer, than the settings do.

    With `keep_snapshots` the state of an alert right after each event waits for `take_snapshots`.
    """

    def __init__(
        self, settings: AlertSettings, bundle: str = "", keep_snapshots: bool = False
    ) -> None:
        self._settings = settings
        self._bundle = bundle
        self._snapshots: dict[str, bytes] | None = {} if keep_snapshots else None
        self._cameras: dict[str, _Camera] = {}
        self.dropped: Counter[str] = Counter()  # repeated, brief

    def update(
        self, query: StandingQuery, camera_id: str, at: float, moments: Sequence[Moment]
    ) -> list[Alert]:
        """Take in the moments at or above the threshold of one window that had seen until `at`."""
        camera = self._at(camera_id, at)
        at = camera.clock
        track = camera.tracks.setdefault(query.query_id, _Track())
        self._forget_closed(track, at)
        hold = max(self._settings.hold_seconds, query.keep_firing_for_seconds)
        for moment, not_before in self._untold(track, moments, hold):
            alert = self._nearest(track, moment, hold)
            if alert is None:
                alert = self._begin(track, query, moment, not_before)
            alert.add(moment, at, self._settings)
        for alert in track.live:  # what was asked for may change while it lives
            alert.for_seconds = query.for_seconds
            alert.keep_firing_for_seconds = query.keep_firing_for_seconds
        return [*self._tell(track, at), *self._close_due(track, at)]

    def advance(self, camera_id: str, at: float) -> list[Alert]:
        """Let time go on without a window, on silence: closes what nothing extends any more."""
        camera = self._at(camera_id, at)
        events: list[Alert] = []
        for query_id, track in list(camera.tracks.items()):
            events += self._close_due(track, camera.clock)
            self._forget_closed(track, camera.clock)
            if not track.live and not track.closed:
                del camera.tracks[query_id]
        return events

    def finish(self, camera_id: str | None = None) -> list[Alert]:
        """Close all alerts of a camera, or of all: its source has come to its end."""
        ids = sorted(self._cameras) if camera_id is None else [camera_id]
        events: list[Alert] = []
        for camera in [self._cameras[one] for one in ids if one in self._cameras]:
            for track in camera.tracks.values():
                events += self._close(track, list(track.live), camera.clock)
        return events

    def rewind(self, camera_id: str, session: int, at: float) -> None:
        """Time goes back to `at`, and what was of this session is still to come.

        Alerts of other sessions stay: they still have to close.
        """
        self._at(camera_id, at).clock = at
        for track in self._tracks(camera_id).values():
            track.live = [alert for alert in track.live if alert.session != session]
            track.closed = [old for old in track.closed if old.session != session]

    def active(self, camera_id: str) -> set[str]:
        """Ids of the queries with an open or candidate alert on the camera."""
        return {query_id for query_id, track in self._tracks(camera_id).items() if track.live}

    def clock(self, camera_id: str) -> float:
        """How far the camera has been seen, UTC seconds; -inf for one that never was."""
        camera = self._cameras.get(camera_id)
        return -inf if camera is None else camera.clock

    def take_snapshots(self) -> dict[str, bytes]:
        """By event id, the alert right after each event since the last call; empty when closed."""
        if self._snapshots is None:
            return {}
        taken, self._snapshots = self._snapshots, {}
        return taken

    def restore_alerts(self, snapshots: Iterable[bytes]) -> set[str]:
        """Go on with alerts that were open when their snapshots were taken; their cameras.

        An alert that is known already stays as it is. Raises msgspec.DecodeError for bytes that
        are no snapshot, and then takes in none.
        """
        alerts = [msgspec.msgpack.decode(one, type=TrackedAlert) for one in snapshots]
        for alert in alerts:
            tracks = self._at(alert.camera_id, alert.seen_until).tracks
            live = tracks.setdefault(alert.query_id, _Track()).live
            if all(alert.alert_id != known.alert_id for known in live):
                live.append(alert)
        return {alert.camera_id for alert in alerts}

    def camera_snapshot(self, camera_id: str) -> bytes:
        """All there is to know of a camera, for `restore_camera`; empty for one never seen.

        Candidates are in it, and closed alerts whose events later windows still see.
        """
        camera = self._cameras.get(camera_id)
        return b"" if camera is None else msgspec.msgpack.encode(camera)

    def restore_camera(self, camera_id: str, snapshot: bytes) -> None:
        """Put the camera back as it was at its snapshot, whatever is known of it now.

        Raises msgspec.DecodeError for bytes that are no snapshot, and then changes nothing.
        """
        if snapshot:
            self._cameras[camera_id] = msgspec.msgpack.decode(snapshot, type=_Camera)
        else:
            self.drop(camera_id)

    def forget(self, camera_id: str) -> bool:
        """Free the memory of a camera; False while it has alerts that are not over."""
        if self._tracks(camera_id):
            return False
        self.drop(camera_id)
        return True

    def drop(self, camera_id: str) -> None:
        """Forget a camera with all its alerts, and tell nothing: another worker goes on with it."""
        self._cameras.pop(camera_id, None)

    def _tracks(self, camera_id: str) -> dict[str, _Track]:
        camera = self._cameras.get(camera_id)
        return {} if camera is None else camera.tracks

    def _at(self, camera_id: str, at: float) -> _Camera:
        """The camera, its clock moved on; time never goes back."""
        camera = self._cameras.setdefault(camera_id, _Camera(at))
        camera.clock = max(at, camera.clock)
        return camera

    def _untold(
        self, track: _Track, moments: Iterable[Moment], hold: float
    ) -> Iterable[tuple[Moment, float]]:
        """Moments in the order of time, without those that closed alerts have told.

        The second value is where news begin: a moment that outlasts a closed alert by more than
        the holding time tells of something after it, but must not repeat what came before.
        """
        for moment in sorted(moments, key=lambda moment: (moment.start, moment.end)):
            near = [
                old
                for old in track.closed
                if moment.start <= old.end + hold and moment.end >= old.start - hold
            ]
            told_until = max((old.end for old in near), default=-inf)
            if near and moment.end <= told_until + hold:
                self.dropped["repeated"] += 1
                continue
            yield moment, told_until

    def _nearest(self, track: _Track, moment: Moment, hold: float) -> TrackedAlert | None:
        near = min(track.live, key=lambda alert: alert.gap(moment), default=None)
        return None if near is None or near.gap(moment) > hold else near

    def _begin(
        self, track: _Track, query: StandingQuery, moment: Moment, not_before: float
    ) -> TrackedAlert:
        first_clip = self._free_clip(track, moment, not_before)
        alert = TrackedAlert(
            alert_id=alert_id(query.query_id, moment.camera_id, moment.session, first_clip),
            query_id=query.query_id,
            query=query.text,
            query_version=moment.query_version,
            severity=query.severity,
            camera_id=moment.camera_id,
            session=moment.session,
            first_clip=first_clip,
            not_before=not_before,
            segments=[],
        )
        track.live.append(alert)
        return alert

    def _free_clip(self, track: _Track, moment: Moment, not_before: float) -> int:
        """The clip the moment begins in, or the next one that names no other alert."""
        start = max(moment.start, not_before) - moment.session / 1000
        clip = max(0, int(start // CLIP_SECONDS))
        taken = {(known.session, known.first_clip) for known in track.live}
        taken |= {(known.session, known.first_clip) for known in track.closed}
        while (moment.session, clip) in taken:
            clip += 1
        return clip

    def _tell(self, track: _Track, at: float) -> list[Alert]:
        settings, events = self._settings, []
        for alert in track.live:
            if alert.revision == 0 and alert.lasts(settings):
                events.append(self._event(alert, "opened", at))
            elif alert.revision > 0 and alert.changed(settings):
                events.append(self._event(alert, "updated", at))
        return events

    def _close_due(self, track: _Track, at: float) -> list[Alert]:
        settings = self._settings
        due = [
            alert
            for alert in track.live
            if alert.supported_until + alert.hold_seconds(settings) + settings.settle_seconds <= at
        ]
        return self._close(track, due, at) if due else []

    def _close(self, track: _Track, due: list[TrackedAlert], at: float) -> list[Alert]:
        events = []
        for alert in due:
            track.live.remove(alert)
            hold = alert.hold_seconds(self._settings)
            track.closed.append(_Closed(*alert.extent, alert.session, alert.first_clip, hold))
            if alert.revision > 0:
                events.append(self._event(alert, "closed", at))
            else:
                self.dropped["brief"] += 1
        return events

    def _event(self, alert: TrackedAlert, state: AlertState, at: float) -> Alert:
        event = alert.tell(state, at, self._bundle, self._settings.saliency_context_seconds)
        if self._snapshots is not None:
            left = b"" if state == "closed" else msgspec.msgpack.encode(alert)
            self._snapshots[event.event_id] = left
        return event

    def _forget_closed(self, track: _Track, at: float) -> None:
        """Drop closed alerts that no window shows any more."""
        seen = at - self._settings.window_seconds
        track.closed = [old for old in track.closed if old.end >= seen - 2 * old.hold_seconds]

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


class _State(msgspec.Struct):
    clocks: dict[str, float]  # camera: how far it has been seen, UTC seconds
    tracks: dict[str, dict[str, _Track]]  # camera: query: track


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
        self._state = _State({}, {})
        self.dropped: Counter[str] = Counter()  # repeated, brief

    def update(
        self, query: StandingQuery, camera_id: str, at: float, moments: Sequence[Moment]
    ) -> list[Alert]:
        """Take in the moments at or above the threshold of one window that had seen until `at`."""
        at = self._move_clock(camera_id, at)
        track = self._state.tracks.setdefault(camera_id, {}).setdefault(query.query_id, _Track())
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
        at = self._move_clock(camera_id, at)
        events: list[Alert] = []
        tracks = self._state.tracks.get(camera_id, {})
        for query_id, track in list(tracks.items()):
            events += self._close_due(track, at)
            self._forget_closed(track, at)
            if not track.live and not track.closed:
                del tracks[query_id]
        return events

    def finish(self, camera_id: str | None = None) -> list[Alert]:
        """Close all alerts of a camera, or of all: its source has come to its end."""
        cameras = sorted(self._state.tracks) if camera_id is None else [camera_id]
        events: list[Alert] = []
        for camera in cameras:
            for track in self._state.tracks.get(camera, {}).values():
                events += self._close(track, list(track.live), self._state.clocks[camera])
        return events

    def active(self, camera_id: str) -> set[str]:
        """Ids of the queries with an open or candidate alert on the camera."""
        tracks = self._state.tracks.get(camera_id, {})
        return {query_id for query_id, track in tracks.items() if track.live}

    def open_alerts(self, camera_id: str) -> list[bytes]:
        """Snapshots of the camera's alerts that somebody was told about and that are not closed."""
        tracks = self._state.tracks.get(camera_id, {}).values()
        live = [alert for track in tracks for alert in track.live]
        return [msgspec.msgpack.encode(alert) for alert in live if alert.revision > 0]

    def clock(self, camera_id: str) -> float:
        """How far the camera has been seen, UTC seconds; -inf for one that never was."""
        return self._state.clocks.get(camera_id, -inf)

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
            self._move_clock(alert.camera_id, alert.seen_until)
            tracks = self._state.tracks.setdefault(alert.camera_id, {})
            live = tracks.setdefault(alert.query_id, _Track()).live
            if all(alert.alert_id != known.alert_id for known in live):
                live.append(alert)
        return {alert.camera_id for alert in alerts}

    def forget(self, camera_id: str) -> bool:
        """Free the memory of a camera; False while it has alerts that are not over."""
        if self._state.tracks.get(camera_id):
            return False
        self._state.tracks.pop(camera_id, None)
        self._state.clocks.pop(camera_id, None)
        return True

    def snapshot(self) -> bytes:
        """The whole state, for `restore`."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot; raises msgspec.ValidationError for anything else."""
        self._state = msgspec.msgpack.decode(snapshot, type=_State)

    def _move_clock(self, camera_id: str, at: float) -> float:
        at = max(at, self._state.clocks.get(camera_id, at))
        self._state.clocks[camera_id] = at
        return at

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

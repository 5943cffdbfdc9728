"""What lies on the topics when a run is over, and whether it adds up."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

from deploy.settings import load_settings
from deploy.settings.parts import grounding_config, kafka_options
from encoder.bundle import load_bundle
from encoder.embedding import ClipEmbedding
from encoder.record import unpack_embedding
from grounding.alert import Alert
from grounding.alert_state import CameraState, unpack_alert_state
from grounding.blind import BlindPeriod, unpack_blind
from grounding.grounder import Grounder
from grounding.parts import load_parts
from grounding.query_book import QueryBook
from grounding.query_intake import QueryIntake
from grounding.record import unpack_alert
from grounding.tracker import AlertTracker
from grounding.worker import GroundingWorker
from streamer.bus import (
    ALERT_STATE,
    ALERTS,
    BLIND,
    DEAD_LETTERS,
    EMBEDDINGS,
    QUERIES,
    QUERY_FEATURES,
    Message,
    Record,
    Topic,
)
from streamer.kafka_bus import KafkaBus
from streamer.memory_bus import MemoryBus

CLIP_SECONDS = 2.0
INSTANT = 0.05  # seconds: frames do not come to the millisecond
RED_AXIS = 0
READ = (EMBEDDINGS, BLIND, ALERTS, ALERT_STATE, DEAD_LETTERS, QUERIES, QUERY_FEATURES)

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Account:
    """The topics of one Watchword, each from its oldest record to its newest."""

    config: Path  # of one of its processes
    records: dict[str, list[Record]]

    @classmethod
    def read(cls, config: Path) -> "Account":
        """As any reader sees them: what was never committed is not there."""
        with closing(open_account(config)) as bus:
            return cls(config, {topic.name: list(_whole(bus, topic)) for topic in READ})

    def _of(self, topic: Topic) -> list[Record]:
        return self.records[topic.name]

    @property
    def embeddings(self) -> list[ClipEmbedding]:
        """As they lie there, repeats too, but for those that were put aside."""
        return [unpack_embedding(one.value or b"") for one in self._evaluable()]

    def _evaluable(self) -> list[Record]:
        headers = [dict(one.headers) for one in self.dead_letters]
        aside = {(one["topic"], int(one["partition"]), int(one["offset"])) for one in headers}
        return [
            one
            for one in self._of(EMBEDDINGS)
            if (one.topic.encode(), one.partition, one.offset) not in aside
        ]

    @property
    def clips(self) -> dict[str, list[ClipEmbedding]]:
        """By camera, each clip once, in order."""
        once = {(one.camera_id, one.session, one.index): one for one in self.embeddings}
        ordered = [once[key] for key in sorted(once)]
        return {camera: list(of) for camera, of in groupby(ordered, lambda one: one.camera_id)}

    @property
    def alerts(self) -> list[Alert]:
        return [unpack_alert(one.value or b"") for one in self._of(ALERTS)]

    @property
    def blind(self) -> list[BlindPeriod]:
        return [unpack_blind(one.value or b"") for one in self._of(BLIND)]

    def blind_of(self, camera: str) -> list[BlindPeriod]:
        return [period for period in self.blind if period.camera_id == camera]

    @property
    def dead_letters(self) -> list[Record]:
        return self._of(DEAD_LETTERS)

    @property
    def states(self) -> list[tuple[float, CameraState]]:
        """When, and what grounding knew of a camera then."""
        records = [one for one in self._of(ALERT_STATE) if one.value]
        return [(one.published, unpack_alert_state(one.value or b"")) for one in records]

    def final_states(self) -> dict[str, CameraState]:
        return {state.camera_id: state for _, state in self.states}

    def newest_alerts(self) -> dict[str, Alert]:
        return newest(self.alerts)

    def twin(self) -> dict[str, Alert]:
        """The alerts of one undisturbed worker that reads the same clips, queries and settings."""
        settings = load_settings(self.config, {})
        config = replace(grounding_config(settings), overload=None)
        parts = load_parts(load_bundle(settings.bundle), config)
        latest = self.embeddings[-1].end  # its clock: no camera is ever silent
        with closing(MemoryBus()) as bus:
            for topic in (QUERIES, QUERY_FEATURES):
                bus.publish_all([_again(one) for one in self._of(topic)])
            book = QueryBook(parts.calibration, parts.buffer.space_id)
            grounder = Grounder(parts, AlertTracker(config.alerts, parts.name), config)
            with closing(QueryIntake(bus, book, lambda: latest)) as queries:
                queries.read_whole(threading.Event())
                grounder.watch(queries.changes() or ())
            told = bus.subscribe(ALERTS.name)
            worker = GroundingWorker(bus, grounder, config, lambda: latest)
            thread = threading.Thread(target=worker.run, args=(threading.Event(),))
            thread.start()
            for one in self._evaluable():
                bus.publish(_again(one))
            bus.finish(EMBEDDINGS.name)
            thread.join()
            found: list[Alert] = []
            while not told.finished:
                found += [unpack_alert(one.value or b"") for one in told.poll(1.0)]
            return newest(found)


def open_account(config: Path) -> KafkaBus:
    """The topics of the process with this configuration, for somebody else."""
    return KafkaBus(replace(kafka_options(load_settings(config, {})), instance=""), READ)


def newest(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """By id, the state told last."""
    found: dict[str, Alert] = {}
    for alert in alerts:
        if alert.alert_id not in found or alert.revision > found[alert.alert_id].revision:
            found[alert.alert_id] = alert
    return found


def check_time(account: Account) -> None:
    """Every second of every camera is in a clip or told as blind, and not both."""
    for camera, clips in account.clips.items():
        spans = [(period.start, period.end) for period in account.blind_of(camera)]
        spans += [_shown(clip, after) for clip, after in _with_next(clips)]
        check_cover(camera, spans, (clips[0].start, clips[-1].end))


def check_cover(camera: str, spans: Sequence[Span], whole: Span) -> None:
    """The spans lie side by side and fill the whole."""
    ordered = sorted(set(spans))
    assert abs(ordered[0][0] - whole[0]) < INSTANT, (camera, ordered[0], whole)
    for (_, end), (start, _) in pairwise(ordered):
        assert abs(start - end) < INSTANT, f"{camera}: {end - start:+.3f} s too much at {end:.3f}"
    assert ordered[-1][1] <= whole[1] + INSTANT


def check_evaluated(account: Account) -> None:
    """Grounding has read every clip, each at its turn."""
    for camera, clips in account.clips.items():
        covered = [
            (state.covered.session, state.covered.index)
            for _, state in account.states
            if state.camera_id == camera and state.covered
        ]
        assert covered == sorted(covered)
        assert covered[-1] == (clips[-1].session, clips[-1].index)


def check_alerts(account: Account) -> None:
    """Each event is told as an undisturbed run tells it, each state once."""
    events = [alert.event_id for alert in account.alerts]
    assert len(events) == len(set(events))
    told, expected = account.newest_alerts(), account.twin()
    assert told.keys() == expected.keys()
    for alert_id, alert in told.items():
        assert alert.state == "closed"
        assert alert.revision == sum(one.alert_id == alert_id for one in account.alerts)
        assert abs(alert.start - expected[alert_id].start) <= CLIP_SECONDS
        assert abs(alert.end - expected[alert_id].end) <= CLIP_SECONDS


def check_events(account: Account, merge_seconds: float) -> None:
    """What the camera showed in red has exactly one alert over it."""
    alerts = account.newest_alerts().values()
    for camera, clips in account.clips.items():
        for start, end in red_events(clips, merge_seconds):
            over = [
                one
                for one in alerts
                if one.camera_id == camera and one.start < end and one.end > start
            ]
            assert len(over) == 1, f"{len(over)} alerts over {start:.1f} to {end:.1f} of {camera}"


def red_events(clips: Sequence[ClipEmbedding], merge_seconds: float) -> list[Span]:
    """Times in red, as one where they lie as close as moments of one alert do."""
    events: list[Span] = []
    for clip in clips:
        if clip.vector[RED_AXIS] < 0.9:
            continue
        if events and clip.start - events[-1][1] <= merge_seconds:
            events[-1] = (events[-1][0], clip.end)
        else:
            events.append((clip.start, clip.end))
    return events


def _whole(bus: KafkaBus, topic: Topic) -> Iterator[Record]:
    with closing(bus.subscribe(topic.name)) as reader:
        while not reader.caught_up:
            yield from reader.poll(0.2)


def _again(record: Record) -> Message:
    return Message(record.topic, record.key, record.value, record.headers)


def _with_next(
    clips: Sequence[ClipEmbedding],
) -> Iterator[tuple[ClipEmbedding, ClipEmbedding | None]]:
    return zip(clips, [*clips[1:], None], strict=True)


def _shown(clip: ClipEmbedding, after: ClipEmbedding | None) -> Span:
    """A session's last clip counts as far as its pictures go."""
    goes_on = after is not None and after.session == clip.session
    return clip.start, clip.end if goes_on else clip.seen_until

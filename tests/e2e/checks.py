"""Whether what lies on the topics when a run is over adds up: nothing lost, nothing told twice."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from encoder.embedding import ClipEmbedding
from grounding.blind import EVERY_QUERY, BlindPeriod
from tests.e2e.accounts import Account

CLIP_SECONDS = 2.0
INSTANT = 0.05  # seconds: frames do not come to the millisecond
RED_AXIS = 0

Span = tuple[float, float]


def check_time(account: Account) -> None:
    """Every second of every (camera, query) is in one clip or told as blind once, and not both.

    Time that overload left out is the clips' own: it lies in them, and is told once.
    """
    for camera, clips in account.clips.items():
        shown = [_shown(clip, after) for clip, after in _with_next(clips)]
        whole = (clips[0].start, clips[-1].end)
        for query in [*EVERY_QUERY, *account.queries]:
            told = [one for one in account.blind_of(camera) if concerns(one, query)]
            lost = [(one.start, one.end) for one in told if one.reason != "overload"]
            check_cover(f"{camera}, {query}", [*shown, *lost], whole)
            left_out = [(one.start, one.end) for one in told if one.reason == "overload"]
            check_apart(f"{camera}, {query}", [*left_out, *lost])


def concerns(period: BlindPeriod, query: str) -> bool:
    """Whether the period is told of this query, of which `*` are those that are told together."""
    return period.queries == EVERY_QUERY or query in period.queries


def check_cover(what: str, spans: Sequence[Span], whole: Span) -> None:
    """The spans lie side by side and fill the whole."""
    ordered = sorted(spans)
    assert abs(ordered[0][0] - whole[0]) < INSTANT, (what, ordered[0], whole)
    for (_, end), (start, _) in pairwise(ordered):
        assert abs(start - end) < INSTANT, f"{what}: {end - start:+.3f} s too much at {end:.3f}"
    assert abs(ordered[-1][1] - whole[1]) < CLIP_SECONDS, (what, ordered[-1], whole)


def check_apart(what: str, spans: Sequence[Span]) -> None:
    """No two of the spans share any time."""
    for (_, end), (start, _) in pairwise(sorted(spans)):
        assert start - end > -INSTANT, f"{what}: {end - start:.3f} s told twice at {start:.3f}"


def check_evaluated(account: Account) -> None:
    """Grounding has read every clip, each at its turn, and evaluated each window that was due.

    What a killed process had counted is gone with it: of what was published since the newest one
    was started there are at least as many windows as clips, since one of these has read each.
    """
    for camera, clips in account.clips.items():
        covered = [
            (state.covered.session, state.covered.index)
            for _, state in account.states
            if state.camera_id == camera and state.covered
        ]
        assert covered == sorted(covered)
        assert covered[-1] == (clips[-1].session, clips[-1].index)
    for one in account.windows:
        assert one.evaluated + one.blind == one.due, f"windows that are due were left: {one}"
    due = account.due_since(max(one.since for one in account.windows))
    assert due, "nothing happened since grounding was started last"
    assert sum(one.due for one in account.windows) >= len(due)


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


def _with_next(
    clips: Sequence[ClipEmbedding],
) -> Iterator[tuple[ClipEmbedding, ClipEmbedding | None]]:
    return zip(clips, [*clips[1:], None], strict=True)


def _shown(clip: ClipEmbedding, after: ClipEmbedding | None) -> Span:
    """A session's last clip counts as far as its pictures go."""
    goes_on = after is not None and after.session == clip.session
    return clip.start, clip.end if goes_on else clip.seen_until

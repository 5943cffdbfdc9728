"""Which queries are watched, out of records of two topics in any order."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.text_features_record import QueryFeatures, features_of
from grounding.calibration import Calibration
from grounding.query import StandingQuery
from grounding.query_book import QueryBook
from grounding.query_record import QueryRecord, Sensitivity
from grounding.schedule import Hours, Schedule
from tests.grounding.worlds import SPACE, calibration, text

HALF = Sensitivity(threshold=0.5)


def record(version: int = 1, **fields: object) -> QueryRecord:
    values = {"query_id": "q1", "text": f"text {version}", "sensitivity": HALF} | fields
    values.setdefault("revision", version)
    values.setdefault("effective_at", 100.0 * version)
    return QueryRecord(version=version, **values)  # type: ignore[arg-type]


def features(
    version: int = 1, query_id: str = "q1", words: str = "", negatives: Sequence[str] = ()
) -> QueryFeatures:
    texts = [words or f"text {version}", *negatives]
    made = [replace(text(0), text=one) for one in texts]
    return features_of(query_id, version, SPACE.id, made)


def book(**fields: object) -> QueryBook:
    return QueryBook(calibration(**fields), SPACE.id)


def versions(made: QueryBook) -> list[tuple[str, int]] | None:
    """(id, version) of what is watched, if that changed."""
    changes = made.take_changes()
    return None if changes is None else [(one.query_id, one.version) for one in changes]


def test_a_query_is_watched_once_its_features_are_known() -> None:
    made = book()
    assert versions(made) == []
    made.take_query("q1", record())
    assert versions(made) is None
    assert made.waiting == {"q1"}
    made.take_features("q1", features())
    assert versions(made) == [("q1", 1)]
    assert made.waiting == set()
    assert versions(made) is None  # told once


def test_features_may_come_first() -> None:
    made = book()
    made.take_features("q1", features())
    assert versions(made) == []
    made.take_query("q1", record())
    assert versions(made) == [("q1", 1)]


def test_a_watched_query_is_what_its_record_says() -> None:
    schedule = Schedule(hours=(Hours(begin="08:00", end="18:00"),))
    made = book()
    made.take_features("q1", features(3, negatives=["a bus"]))
    made.take_query(
        "q1",
        record(
            3,
            negatives=("a bus",),
            cameras=("gate-*",),
            schedule=schedule,
            severity="critical",
            for_seconds=4.0,
            keep_firing_for_seconds=60.0,
        ),
    )
    (one,) = made.take_changes() or ()
    assert (one.query_id, one.text, one.version) == ("q1", "text 3", 3)
    assert (one.threshold, one.severity, one.cameras) == (0.5, "critical", ("gate-*",))
    assert (one.schedule, one.effective_at, one.until) == (schedule, 300.0, inf)
    assert (one.for_seconds, one.keep_firing_for_seconds) == (4.0, 60.0)
    assert [negative.text for negative in one.negatives] == ["a bus"]


def test_an_alert_budget_becomes_a_threshold() -> None:
    curve = ((0.1, 1.0), (0.9, 0.01))
    made = book(false_alarms=curve)
    made.take_query("q1", record(sensitivity=Sensitivity(alerts_per_day=24.0)))
    made.take_features("q1", features())
    (one,) = made.take_changes() or ()
    assert one.threshold == pytest.approx(0.1)


def test_without_a_calibration_only_thresholds_are_taken() -> None:
    made = QueryBook(Calibration.uncalibrated(), SPACE.id)
    made.take_query("q1", record(1, sensitivity=Sensitivity(alerts_per_day=1.0)))
    made.take_features("q1", features(1))
    assert versions(made) == []
    assert "cannot be promised: this bundle was never calibrated" in made.problems["q1"]
    made.take_query("q1", record(2))
    made.take_features("q1", features(2))
    assert versions(made) == [("q1", 2)]
    assert made.problems == {}


def test_the_former_version_is_watched_until_the_new_one_can_be() -> None:
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", features(1))
    made.take_changes()
    made.take_query("q1", record(2))
    assert versions(made) is None
    assert made.waiting == {"q1"}
    made.take_features("q1", features(2))
    former, current = made.take_changes() or ()
    assert (former.version, former.until) == (1, 200.0)
    assert (current.version, current.effective_at) == (2, 200.0)
    made.retire(199.0)
    assert versions(made) is None
    made.retire(200.0)
    assert versions(made) == [("q1", 2)]


def test_other_changes_hold_at_once_and_keep_the_features() -> None:
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", features(1))
    (before,) = made.take_changes() or ()
    made.take_query("q1", record(1, revision=2, severity="info"))
    (after,) = made.take_changes() or ()
    assert (before.severity, after.severity) == ("warning", "info")
    assert after.features is before.features


def test_a_record_that_changes_nothing_changes_nothing() -> None:
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", features(1))
    made.take_changes()
    made.take_query("q1", record(1))
    assert made.take_changes() is None
    assert made.waiting == set()


@pytest.mark.parametrize("wanted", ["paused", "draft"])
def test_only_armed_queries_are_watched(wanted: str) -> None:
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", features(1))
    made.take_changes()
    made.take_query("q1", record(1, revision=2, wanted=wanted))
    assert versions(made) == []
    assert made.waiting == set()
    made.take_query("q1", record(2, revision=3, text="text 1"))  # armed again: a new version
    assert versions(made) is None
    made.take_features("q1", features(2, words="text 1"))
    assert versions(made) == [("q1", 2)]


def test_a_removed_query_is_forgotten() -> None:
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", features(1))
    made.take_changes()
    made.take_query("q1", None)
    assert versions(made) == []
    made.take_features("q1", None)
    assert made._entries == {}
    made.take_features("q9", None)  # never heard of
    made.take_query("q9", None)
    assert made._entries == {}


def test_features_that_go_and_come_again_leave_the_query_watched() -> None:
    # removed and declared again at once: the query's own deletion was compacted away
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", features(1))
    made.take_changes()
    made.take_features("q1", None)
    assert versions(made) is None
    made.take_query("q1", record(1, revision=9, text="another text"))
    assert made.waiting == {"q1"}
    made.take_features("q1", features(1, words="another text"))
    (one,) = made.take_changes() or ()
    assert one.text == "another text"


def test_features_of_other_words_are_not_those_of_the_version() -> None:
    made = book()
    made.take_query("q1", record(1, negatives=("a bus",)))
    made.take_features("q1", features(1))
    assert versions(made) == []
    assert made.waiting == {"q1"}


def test_a_lower_revision_is_ignored() -> None:
    made = book()
    made.take_query("q1", record(2, revision=7))
    made.take_features("q1", features(2))
    made.take_query("q1", record(1, revision=6))
    made.take_features("q1", features(1))
    assert versions(made) == [("q1", 2)]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"sensitivity": Sensitivity(threshold=1.5)}, "threshold is 1.5"),
        ({"sensitivity": Sensitivity(alerts_per_day=-1.0)}, "alerts_per_day is -1"),
        ({"sensitivity": Sensitivity(alerts_per_day=1.0)}, "no false-alarm curve"),
        ({"sensitivity": Sensitivity()}, "sensitivity is empty"),
        ({"schedule": Schedule(hours=(), timezone="UTC")}, "has no hours"),
    ],
)
def test_what_cannot_be_watched_for_says_why_and_stops_the_former_version(
    fields: dict[str, object], sentence: str
) -> None:
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", features(1))
    made.take_changes()
    made.take_query("q1", record(2, **fields))
    made.take_features("q1", features(2))
    assert versions(made) == []
    assert sentence in made.problems["q1"]
    assert made.waiting == set()
    made.take_query("q1", record(3))
    made.take_features("q1", features(3))
    assert versions(made) == [("q1", 3)]
    assert made.problems == {}


def test_a_text_that_could_not_be_encoded_is_a_problem() -> None:
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", QueryFeatures("q1", 1, SPACE.id, problem="no words"))
    assert versions(made) == []
    assert made.problems == {"q1": "no words"}


def test_features_of_another_space_are_a_problem() -> None:
    made = book()
    made.take_query("q1", record(1))
    made.take_features("q1", replace(features(1), space_id="elsewhere"))
    assert "elsewhere" in made.problems["q1"]


def test_features_of_versions_that_are_over_are_not_kept() -> None:
    made = book()
    for version in range(1, 50):
        made.take_query("q1", record(version, wanted="armed" if version % 3 else "paused"))
        made.take_features("q1", features(version))
        made.retire(inf)
    assert list(made._entries["q1"].features) == [49]


# Any order of records gives the same book in the end.

IDS = ("q1", "q2")


def what_is_watched(made: QueryBook) -> list[tuple[object, ...]]:
    made.retire(inf)
    made._changed = True
    return [summary(one) for one in made.take_changes() or ()]


def summary(one: StandingQuery) -> tuple[object, ...]:
    return (one.query_id, one.version, one.text, one.threshold, one.severity, one.effective_at)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, QueryRecord | QueryFeatures]]:
    """What became of some queries, the features of every version among it."""
    said: list[tuple[str, QueryRecord | QueryFeatures]] = []
    for query_id in IDS:
        version = 0
        for revision in range(1, draw(st.integers(1, 6))):
            version += draw(st.booleans()) or version == 0
            made = record(
                version,
                query_id=query_id,
                revision=revision,
                severity=draw(st.sampled_from(["info", "critical"])),
                wanted=draw(st.sampled_from(["armed", "armed", "paused"])),
                sensitivity=draw(st.sampled_from([HALF, HALF, Sensitivity(threshold=7.0)])),
            )
            said.append((query_id, made))
        for known in range(1, version + 1):
            answer = features(known, query_id)
            if draw(st.integers(0, 4)) == 0:
                answer = QueryFeatures(query_id, known, SPACE.id, problem="no words")
            said.append((query_id, answer))
    return said


def take(made: QueryBook, said: Sequence[tuple[str, QueryRecord | QueryFeatures]]) -> QueryBook:
    for query_id, one in said:
        if isinstance(one, QueryFeatures):
            made.take_features(query_id, one)
        else:
            made.take_query(query_id, one)
    return made


@given(st.data(), histories())
def test_any_order_converges_to_the_same_book(data: st.DataObject, said) -> None:
    shuffled = data.draw(st.permutations(said))
    one, other = take(book(), said), take(book(), shuffled)
    assert what_is_watched(one) == what_is_watched(other)
    assert one.problems == other.problems
    assert one.waiting == other.waiting == set()


@given(histories())
def test_what_is_watched_is_the_newest_armed_version(said) -> None:
    newest = {key: one for key, one in said if isinstance(one, QueryRecord)}
    answers = {(key, one.version): one for key, one in said if isinstance(one, QueryFeatures)}
    expected = [
        (key, one.version, one.severity)
        for key, one in sorted(newest.items())
        if one.wanted == "armed"
        and one.sensitivity == HALF
        and not answers[key, one.version].problem
    ]
    watched = what_is_watched(take(book(), said))
    assert [(key, version, severity) for key, version, _, _, severity, _ in watched] == expected


def test_records_survive_the_wire() -> None:
    one = record(2, schedule=Schedule(hours=(Hours(),)))
    assert msgspec.json.decode(msgspec.json.encode(one), type=QueryRecord) == one

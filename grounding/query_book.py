"""Which standing queries are watched for, out of what is said of them on two topics.

Pure, and the same whatever the order in which records of different queries and topics arrive.
"""

from dataclasses import dataclass, field, replace

from encoder.text_features_record import QueryFeatures
from grounding.calibration import Calibration, check_threshold
from grounding.errors import GroundingError, SensitivityError
from grounding.query import StandingQuery
from grounding.query_record import QueryRecord, Sensitivity
from grounding.schedule import check_schedule


@dataclass(slots=True)
class _Entry:
    """What is known of one query, and what came of it."""

    record: QueryRecord | None = None
    features: dict[int, QueryFeatures] = field(default_factory=dict)  # by version; some to come
    current: StandingQuery | None = None
    former: StandingQuery | None = None  # for windows that end before the current one holds
    made_of: tuple[QueryRecord, QueryFeatures] | None = None  # what was settled last
    problem: str = ""

    @property
    def waits(self) -> bool:
        """Whether it is wanted armed and the newest version's features are still to come."""
        wanted = self.record is not None and self.record.wanted == "armed"
        return wanted and (self.made_of is None or self.made_of[0] != self.record)


class QueryBook:
    """Standing queries by id: a query is watched once its version's text features are known.

    Until they are, the former version goes on being watched; and it stays for windows that end
    before the new one is effective until `retire` is told that no such window will come. A version
    that cannot be watched for at all has a sentence in `problems`.
    """

    def __init__(self, calibration: Calibration, space_id: str) -> None:
        self._calibration = calibration
        self._space_id = space_id
        self._entries: dict[str, _Entry] = {}
        self._with_former: set[str] = set()
        self._changed = True

    @property
    def problems(self) -> dict[str, str]:
        """By query, why its newest version cannot be watched for."""
        return {key: entry.problem for key, entry in self._entries.items() if entry.problem}

    @property
    def waiting(self) -> set[str]:
        """The queries whose newest version has no text features yet."""
        return {key for key, entry in self._entries.items() if entry.waits}

    def take_query(self, query_id: str, record: QueryRecord | None) -> None:
        """A query was registered or changed; None: it was removed."""
        entry = self._entries.setdefault(query_id, _Entry())
        known = entry.record
        if record is not None and known is not None and record.revision < known.revision:
            return
        entry.record = record
        self._settle(query_id, entry)

    def take_features(self, query_id: str, features: QueryFeatures | None) -> None:
        """The text features of a version; None: those of a query that was removed."""
        entry = self._entries.setdefault(query_id, _Entry())
        if features is None:
            entry.features = {}
        else:
            entry.features[features.version] = features
        self._settle(query_id, entry)

    def retire(self, before: float) -> None:
        """No window that ends before `before` (UTC seconds) comes any more."""
        for query_id in sorted(self._with_former):
            entry = self._entries[query_id]
            if entry.former is not None and entry.former.until <= before:
                self._set(query_id, entry, entry.current, None)

    def take_changes(self) -> tuple[StandingQuery, ...] | None:
        """All queries to be watched from now on, if that changed since the last call."""
        if not self._changed:
            return None
        self._changed = False
        entries = [entry for _, entry in sorted(self._entries.items())]
        both = [query for entry in entries for query in (entry.former, entry.current)]
        return tuple(query for query in both if query is not None)

    def _settle(self, query_id: str, entry: _Entry) -> None:
        record = entry.record
        if record is not None:
            needed = [version for version in entry.features if version >= record.version]
            entry.features = {version: entry.features[version] for version in needed}
        if record is None or record.wanted != "armed":
            entry.problem, entry.made_of = "", None
            self._set(query_id, entry, None, None)
            if record is None and not entry.features:
                del self._entries[query_id]
            return
        features = entry.features.get(record.version)
        if features is None or (features.texts and features.texts != _texts(record)):
            entry.problem = ""  # the features of this version are still to come
            return
        if entry.made_of == (record, features):  # features compare by identity
            return
        entry.made_of = (record, features)
        entry.problem = ""
        answer = self._answer(record, features)
        if isinstance(answer, str):
            entry.problem = answer
            self._set(query_id, entry, None, None)
            return
        former = entry.former
        if entry.current is not None and entry.current.version != answer.version:
            former = replace(entry.current, until=answer.effective_at)
        self._set(query_id, entry, answer, former)

    def _answer(self, record: QueryRecord, features: QueryFeatures) -> StandingQuery | str:
        """The query to be watched, or a sentence that says why it cannot be."""
        if features.features is None:
            return features.problem
        if features.space_id != self._space_id:
            return (
                f"its text features are of the embedding space {features.space_id}, the bundle "
                f"works in {self._space_id}: run encoder and grounding with the same bundle"
            )
        try:
            return StandingQuery(
                query_id=record.query_id,
                text=record.text,
                features=features.features,
                threshold=self._threshold(record.sensitivity),
                version=record.version,
                severity=record.severity,
                negatives=features.negatives,
                cameras=record.cameras,
                schedule=None if record.schedule is None else check_schedule(record.schedule),
                effective_at=record.effective_at,
                for_seconds=record.for_seconds,
                keep_firing_for_seconds=record.keep_firing_for_seconds,
            )
        except GroundingError as error:
            return str(error)

    def _threshold(self, sensitivity: Sensitivity) -> float:
        if sensitivity.threshold is not None:
            return check_threshold(sensitivity.threshold)
        if sensitivity.alerts_per_day is not None:
            return self._calibration.threshold_for(sensitivity.alerts_per_day).threshold
        raise SensitivityError("the sensitivity is empty: give alerts_per_day or a threshold")

    def _set(
        self,
        query_id: str,
        entry: _Entry,
        current: StandingQuery | None,
        former: StandingQuery | None,
    ) -> None:
        self._changed |= current is not entry.current or former is not entry.former
        entry.current, entry.former = current, former
        if former is None:
            self._with_former.discard(query_id)
        else:
            self._with_former.add(query_id)


def _texts(record: QueryRecord) -> tuple[str, ...]:
    return (record.text, *record.negatives)

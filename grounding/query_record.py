"""A standing query, as `watchword.queries.v1` and the store hold it."""

from typing import Literal

import msgspec

from grounding.schedule import Schedule
from streamer.schema import RecordDecoder

Severity = Literal["info", "warning", "critical"]
WantedState = Literal["armed", "paused", "draft"]
QueryState = Literal["draft", "pending", "armed", "paused"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")  # in rising order


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """From which probability on it alerts: exactly one of the two is set."""

    alerts_per_day: float | None = None  # the alert budget of the query on each camera
    threshold: float | None = None


class QueryRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A standing query as it was registered; times are UTC seconds.

    `version` counts changes of text, negatives, cameras, schedule or sensitivity; it holds from
    the first window that ends at or after `effective_at`. `wanted` is what its owner asked for:
    the state is pending until the text features of the version are known, then armed. A record
    with a lower `revision` than one already seen is ignored.
    """

    schema: int = 1
    query_id: str
    text: str
    revision: int = 0  # given by the store
    version: int = 1
    effective_at: float = 0.0
    negatives: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ("*",)
    schedule: Schedule | None = None
    sensitivity: Sensitivity = Sensitivity(alerts_per_day=1.0)
    severity: Severity = "warning"
    labels: dict[str, str] = {}
    for_seconds: float = 0.0  # only events that last this long are told
    keep_firing_for_seconds: float = 0.0  # how long an alert outlives its end, if above merging
    cooldown_seconds: float = 0.0  # alerts of a camera that open sooner after one are suppressed
    wanted: WantedState = "armed"
    declared: bool = False  # stands in the configuration file: read-only elsewhere
    created_at: float = 0.0
    updated_at: float = 0.0


_VERSIONED = ("text", "negatives", "cameras", "schedule", "sensitivity")
_decoder = RecordDecoder(QueryRecord, "query record")


def is_new_version(old: QueryRecord, new: QueryRecord) -> bool:
    """Whether the change is one of what the query means, or where, when and how readily."""
    return any(getattr(old, field) != getattr(new, field) for field in _VERSIONED)


def pack_query(query: QueryRecord) -> bytes:
    """The record as JSON."""
    return msgspec.json.encode(query)


def unpack_query(value: bytes) -> QueryRecord:
    """The record; unknown fields are a newer writer's, and ignored.

    Raises:
        RecordError: the bytes are no query record, or one of a later schema.
    """
    return _decoder.decode(value)

"""Standing queries as HTTP takes and tells them."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, Field, StringConstraints

from grounding.errors import QueryTextError, ScheduleError, SensitivityError
from grounding.query_record import QueryRecord, QueryState, Sensitivity, Severity, WantedState
from grounding.query_registration import (
    check_query_text,
    check_sensitivity,
    text_warnings,
)
from grounding.schedule import DAYS, Day, Schedule, check_schedule
from grounding.stores import QueryStore
from streamer.errors import EntityNotFoundError
from streamer.shape import Labels, Patterns, Shape, checked, utc

_LONGEST = 7 * 86_400  # seconds

Words = Annotated[
    str,
    StringConstraints(max_length=5_000),  # far beyond what a text may have when it is tidied
    AfterValidator(checked(check_query_text, QueryTextError)),
]
Text = Annotated[
    Words,
    Field(
        description="What should be seen, in one English sentence.",
        examples=["a car drives on the pavement"],
    ),
]
Negatives = Annotated[
    list[Words],
    Field(
        max_length=16,
        description="What looks like it and is not meant.",
        examples=[["a car parks at the kerb"]],
    ),
]
Cameras = Annotated[
    Patterns,
    Field(
        description="On which cameras: ids, `*` standing for any run of letters.",
        examples=[["gate-*", "yard"]],
    ),
]
Level = Annotated[Severity, Field(description="How much it matters.")]
Wanted = Annotated[WantedState, Field(description="Whether it is watched for.")]
For = Annotated[
    float, Field(ge=0, le=_LONGEST, description="Only events that last this long are told.")
]
KeepFiring = Annotated[
    float,
    Field(ge=0, le=_LONGEST, description="An alert is not over before nothing was seen so long."),
]
Cooldown = Annotated[
    float,
    Field(
        ge=0,
        le=_LONGEST,
        description="Of alerts of a camera that open sooner after one, nobody is told.",
    ),
]


class HoursShape(Shape):
    """From `begin` to `end` on these days; an end not after the begin is the next day's."""

    days: list[Day] = Field(default_factory=lambda: list(DAYS), min_length=1, max_length=7)
    begin: str = Field("00:00", examples=["18:00"])
    end: str = Field("24:00", examples=["06:00"])


def _check_schedule(asked: "ScheduleShape") -> "ScheduleShape":
    check_schedule(asked.schedule())
    return asked


class ScheduleShape(Shape):
    """Hours of the week in a time zone; outside them the query rests."""

    hours: list[HoursShape] = Field(min_length=1, max_length=100)
    timezone: str = Field("UTC", max_length=100, examples=["Europe/Berlin"])

    def schedule(self) -> Schedule:
        """What it means."""
        return msgspec.convert(self.model_dump(), Schedule)


def _check_sensitivity(asked: "SensitivityShape") -> "SensitivityShape":
    check_sensitivity(asked.sensitivity())
    return asked


class SensitivityShape(Shape):
    """How readily it alerts: exactly one of the two, the other absent or null."""

    alerts_per_day: float | None = Field(
        default=None, description="About so many alerts a day on each camera."
    )
    threshold: float | None = Field(default=None, description="Alert from this probability on.")

    def sensitivity(self) -> Sensitivity:
        """What it means."""
        return Sensitivity(alerts_per_day=self.alerts_per_day, threshold=self.threshold)


TimeTable = Annotated[
    ScheduleShape,
    AfterValidator(checked(_check_schedule, ScheduleError)),
    Field(description="When it is watched for; null: always."),
]
Readiness = Annotated[
    SensitivityShape, AfterValidator(checked(_check_sensitivity, SensitivityError))
]


class QueryRequest(Shape):
    """A standing query."""

    text: Text
    negatives: Negatives = Field(default_factory=list)
    cameras: Cameras = Field(default_factory=lambda: ["*"])
    schedule: TimeTable | None = None
    sensitivity: Readiness = SensitivityShape(alerts_per_day=1.0)
    severity: Level = "warning"
    labels: Labels = Field(default_factory=dict)
    for_seconds: For = 0.0
    keep_firing_for_seconds: KeepFiring = 0.0
    cooldown_seconds: Cooldown = 0.0
    state: Wanted = "armed"


class ScheduleChange(Shape):
    """What of the schedule shall be different."""

    hours: list[HoursShape] | None = None
    timezone: str | None = None


class QueryChange(Shape):
    """What shall be different; null puts a field back to its default."""

    text: Text | None = None
    negatives: Negatives | None = None
    cameras: Cameras | None = None
    schedule: ScheduleChange | None = None
    sensitivity: SensitivityShape | None = Field(
        None, description="Setting one of the two takes the other away."
    )
    severity: Level | None = None
    labels: dict[str, str | None] | None = Field(
        None, description="Labels to add or change; null takes one away."
    )
    for_seconds: For | None = None
    keep_firing_for_seconds: KeepFiring | None = None
    cooldown_seconds: Cooldown | None = None
    state: Wanted | None = None


class QueryReply(Shape):
    """A standing query."""

    id: str
    text: str
    negatives: list[str]
    cameras: list[str]
    schedule: ScheduleShape | None
    sensitivity: SensitivityShape
    severity: Severity
    labels: dict[str, str]
    for_seconds: float
    keep_firing_for_seconds: float
    cooldown_seconds: float
    state: QueryState = Field(
        description="pending: wanted, but its text is not understood yet; armed: watched for."
    )
    version: int = Field(
        description="Rises when text, negatives, cameras, schedule or sensitivity change."
    )
    effective_at: datetime = Field(description="Since when the version holds.")
    warnings: list[str] = Field(description="What its author should know.")
    declared: bool = Field(description="It stands in the configuration file: read-only here.")
    revision: int
    created_at: datetime
    updated_at: datetime


class QueryPage(Shape):
    """Standing queries, by their ids."""

    items: list[QueryReply]
    next: str | None = Field(description="The cursor of the next page, null on the last.")


def as_requested(query: QueryRecord) -> dict[str, Any]:
    """The fields of the request that would make this query."""
    named = {name: getattr(query, name) for name in QueryRequest.model_fields if name != "state"}
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(named))  # tuples become lists
    return fields | {"state": query.wanted}


def reply(query: QueryRecord, store: QueryStore) -> QueryReply:
    """The query as it is told."""
    fields = as_requested(query) | {
        "id": query.query_id,
        "state": store.state(query),
        "version": query.version,
        "effective_at": utc(query.effective_at),
        "warnings": [*text_warnings(query), *_problems(query, store)],
        "declared": query.declared,
        "revision": query.revision,
        "created_at": utc(query.created_at),
        "updated_at": utc(query.updated_at),
    }
    return QueryReply.model_validate(fields)


def _problems(query: QueryRecord, store: QueryStore) -> list[str]:
    with suppress(EntityNotFoundError):  # removed since it was read
        if problem := store.problem(query.query_id):
            return [problem]
    return []


def apply(query: QueryRecord, asked: QueryRequest) -> QueryRecord:
    """The query as asked."""
    return msgspec.structs.replace(
        query,
        text=asked.text,
        negatives=tuple(asked.negatives),
        cameras=tuple(asked.cameras),
        schedule=None if asked.schedule is None else asked.schedule.schedule(),
        sensitivity=asked.sensitivity.sensitivity(),
        severity=asked.severity,
        labels=asked.labels,
        for_seconds=asked.for_seconds,
        keep_firing_for_seconds=asked.keep_firing_for_seconds,
        cooldown_seconds=asked.cooldown_seconds,
        wanted=asked.state,
    )

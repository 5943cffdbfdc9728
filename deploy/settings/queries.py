"""Standing queries that stand in the file."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from deploy.settings.section import Number, Seconds, Section, Slug, check_distinct
from grounding.errors import QueryTextError, ScheduleError
from grounding.query_record import Severity
from grounding.query_text import check_text
from grounding.schedule import DAYS, Day, Hours, Schedule, check_schedule
from streamer.shape import Labels

_CAMERAS = re.compile(r"[a-z0-9*][a-z0-9*-]{0,62}")


def _scheduled(hours: Hours, timezone: str = "UTC") -> None:
    try:
        check_schedule(Schedule(hours=(hours,), timezone=timezone))
    except ScheduleError as error:
        raise ValueError(str(error)) from error


def _begin(value: str) -> str:
    _scheduled(Hours(begin=value))
    return value


def _end(value: str) -> str:
    _scheduled(Hours(end=value))
    return value


def _timezone(name: str) -> str:
    _scheduled(Hours(), name)
    return name


def _cameras(pattern: str) -> str:
    if not _CAMERAS.fullmatch(pattern):
        raise ValueError("should be a camera's id, in which * may stand for any run of letters")
    return pattern


def _described(text: str) -> str:
    try:
        return check_text(text).text
    except QueryTextError as error:
        raise ValueError(str(error)) from error


CameraPattern = Annotated[str, AfterValidator(_cameras)]
QueryWords = Annotated[str, AfterValidator(_described)]


class HoursSettings(Section):
    """From `begin` to `end` on these days; an end not after the begin is the next day's."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    begin: Annotated[str, AfterValidator(_begin)] = "00:00"
    end: Annotated[str, AfterValidator(_end)] = "24:00"


class ScheduleSettings(Section):
    """When a query is watched for."""

    hours: Annotated[tuple[HoursSettings, ...], Field(min_length=1)]
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"


class SensitivitySettings(Section):
    """From which probability on a query alerts: exactly one of the two."""

    alerts_per_day: Annotated[Number, Field(gt=0)] | None = None
    threshold: Annotated[Number, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.alerts_per_day is None) == (self.threshold is None):
            raise ValueError("needs alerts_per_day or threshold, and not both")
        return self


class DeclaredQuery(Section):
    """A standing query of the file: read-only over HTTP."""

    id: Slug
    text: QueryWords
    negatives: tuple[QueryWords, ...] = ()
    cameras: Annotated[tuple[CameraPattern, ...], Field(min_length=1)] = ("*",)
    schedule: ScheduleSettings | None = None
    sensitivity: SensitivitySettings = SensitivitySettings(alerts_per_day=1.0)
    severity: Severity = "warning"
    labels: Labels = Field(default_factory=dict)
    for_seconds: Seconds = 0.0
    keep_firing_for_seconds: Seconds = 0.0
    cooldown_seconds: Seconds = 0.0
    paused: bool = False


class QueriesSettings(Section):
    """Standing queries that need no one to add them."""

    list: tuple[DeclaredQuery, ...] = ()

    @field_validator("list")
    @classmethod
    def _distinct(cls, queries: tuple[DeclaredQuery, ...]) -> tuple[DeclaredQuery, ...]:
        check_distinct([query.id for query in queries])
        return queries

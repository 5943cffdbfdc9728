"""What JSON may look like: the ground of all requests and answers, and values many of them hold."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from streamer.revision import merge_patch

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")
_YEARS = range(1970, 2200)

Value = TypeVar("Value")
Request = TypeVar("Request", bound="Shape")


class Shape(BaseModel):
    """A JSON object: exactly these fields, each of exactly its type, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def patched(kind: type[Request], current: Mapping[str, Any], change: Shape) -> Request:
    """The request that `current` was, with what the change names; absent fields stay.

    Raises RequestValidationError, as for the request itself.
    """
    merged = merge_patch(current, change.model_dump(exclude_unset=True))
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        errors = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(errors) from error


def checked(check: Callable[[Value], Value], *errors: type[Exception]) -> Callable[[Value], Value]:
    """A check that raises one of `errors`, as pydantic wants it: the sentence is kept."""

    def validate(value: Value) -> Value:
        try:
            return check(value)
        except errors as error:
            raise refused(str(error)) from error

    return validate


def refused(sentence: str) -> PydanticCustomError:
    """What a validator raises to say a sentence of its own."""
    return PydanticCustomError("refused", "{sentence}", {"sentence": sentence})


def utc(at: float) -> datetime:
    """UTC seconds as answers tell them."""
    return datetime.fromtimestamp(at, UTC)


def _time(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    try:
        if not isinstance(value, str) or not _RFC3339.fullmatch(value):
            raise ValueError
        at = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(
            "It is no time: write date, time and offset, as in 2025-03-01T08:00:00Z."
        ) from None
    if at.year not in _YEARS:
        raise refused(f"It lies outside the years {_YEARS[0]} to {_YEARS[-1]}.")
    return at


# A time in a request: RFC 3339 with its offset
UtcTime = Annotated[datetime, BeforeValidator(_time, json_schema_input_type=datetime)]

# Text on one line, of at most 256 characters; control characters would break tables and logs
Line = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
# Text of several lines
Note = Annotated[
    str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")
]
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")]
Labels = Annotated[
    dict[LabelName, Line],
    Field(
        max_length=32,
        description="Names and values of your own, for filters and receivers.",
        examples=[{"site": "north"}],
    ),
]

PATTERN = r"^[a-z0-9*][a-z0-9*-]{0,62}$"


def _patterns(patterns: list[str]) -> list[str]:
    if repeated := [one for one in patterns if patterns.count(one) > 1]:
        raise refused(f"'{repeated[0]}' is named twice.")
    return patterns


# Ids of cameras or queries, in which `*` stands for any run of letters
Patterns = Annotated[
    list[Annotated[str, StringConstraints(pattern=PATTERN)]],
    Field(min_length=1, max_length=200),
    AfterValidator(_patterns),
]

"""What every section of the configuration has in common: frozen, and no unknown keys."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Section(BaseModel):
    """A section, or an entry of a list."""

    # hide_input_in_errors: a value may be a secret, and pydantic's own messages would tell it
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):  # Python would take it for 0 or 1
        raise ValueError("should be a number")
    return value


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        raise ValueError(
            "should be 1 to 63 lower-case letters, digits and '-', beginning with a letter or digit"
        )
    return value


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("begins at a home folder that nobody knows") from error


Whole = Annotated[int, BeforeValidator(_no_truth_value)]
Number = Annotated[float, BeforeValidator(_no_truth_value)]
Count = Annotated[Whole, Field(ge=0)]
PositiveCount = Annotated[Whole, Field(gt=0)]
Seconds = Annotated[Number, Field(ge=0)]
PositiveSeconds = Annotated[Number, Field(gt=0)]
Slug = Annotated[str, AfterValidator(_slug)]
FilePath = Annotated[Path, AfterValidator(_at_home)]


def check_distinct(ids: list[str]) -> None:
    """ValueError if two entries have one id."""
    for name in ids:
        if ids.count(name) > 1:
            raise ValueError(f"two entries have the id {name!r}: an id names one for good")


def check_rising(section: Section, first: str, longest: str) -> None:
    """ValueError if the first of two durations is the longer one."""
    if getattr(section, first) > getattr(section, longest):
        raise ValueError(
            f"{first} ({getattr(section, first):g}) is longer than {longest} "
            f"({getattr(section, longest):g})"
        )

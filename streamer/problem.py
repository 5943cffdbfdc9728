"""What an HTTP answer says when it says no: RFC 9457, `application/problem+json`."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_JSON = "application/problem+json"

# What each status means here, as the description of the interface says it
MEANINGS = {
    400: "The body is not JSON.",
    401: "A token is missing or unknown.",
    403: "The token may not do this, or the request does not come from where it must.",
    404: "There is none of that id.",
    409: "The id is taken, what is to be changed stands in the configuration file, or what is to "
    "be done cannot be.",
    412: "It was changed since: its revision is not that of If-Match.",
    413: "The body is too long.",
    416: "The file has no such part.",
    422: "The request cannot be meant so; `errors` says what of it.",
    503: "The server cannot do this now: try again later.",
    507: "The server's disk is full.",
}
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="The field, with dots between its parts.", examples=["text"])
    message: str = Field(description="A sentence.", examples=["'text' is required."])


class Problem(BaseModel):
    """Why a request was not done."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(default="about:blank", description="Its kind; here always this.")
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="A sentence for people: what is wrong, and what to do.",
        examples=["There is no camera 'yard'."],
    )
    errors: list[FieldProblem] | None = Field(
        default=None, description="With 422: the fields that are wrong."
    )


def title_of(status: int) -> str:
    """The status in words."""
    try:
        return _TITLES.get(status) or HTTPStatus(status).phrase
    except ValueError:  # no status of the standard
        return "Error"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These refusals, as a route declares its responses."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {"description": MEANINGS[status], "content": {PROBLEM_JSON: {"schema": schema}}}
        for status in statuses
    }

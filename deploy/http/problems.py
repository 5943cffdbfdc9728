"""Whatever goes wrong is answered as a problem: the boundary from exceptions to HTTP."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.errors import StoreError, StoreFullError
from encoder.errors import ReplayError
from grounding.errors import QueryTextError, ScheduleError, SensitivityError
from streamer.address import redact
from streamer.errors import (
    BusError,
    EntityChangedError,
    EntityExistsError,
    EntityInvalidError,
    EntityNotFoundError,
    EntityReadOnlyError,
    EvidenceError,
    EvidenceMissingError,
    EvidencePendingError,
    RangeError,
    SourceError,
)
from streamer.problem import PROBLEM_JSON, FieldProblem, Problem, title_of

STATUSES: dict[type[Exception], int] = {
    EntityNotFoundError: 404,
    EntityExistsError: 409,
    EntityReadOnlyError: 409,
    ReplayError: 409,
    EntityChangedError: 412,
    EntityInvalidError: 422,
    SourceError: 422,
    QueryTextError: 422,
    ScheduleError: 422,
    SensitivityError: 422,
    EvidenceMissingError: 404,
    EvidencePendingError: 409,
    RangeError: 416,
    EvidenceError: 503,
    StoreFullError: 507,
    StoreError: 503,
    BusError: 503,
}
# Seconds until it is worth to ask again
_RETRY_AFTER: dict[type[Exception], str] = {EvidencePendingError: "5"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SHOWN = 3  # errors whose sentences make the detail
_LONGEST = 80  # letters of a name that a sentence repeats

_log = logging.getLogger(__name__)


def install_problems(app: FastAPI) -> None:
    """Have the app answer every expected exception with a problem."""
    for kind in STATUSES:
        app.add_exception_handler(kind, _answer_domain)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)


async def send_problem(scope: Scope, receive: Receive, send: Send, refusal: HTTPException) -> None:
    """Answer a refusal from outside the app."""
    response = _respond(refusal.status_code, str(refusal.detail), headers=refusal.headers)
    await response(scope, receive, send)


class Unexpected:
    """ASGI middleware: what nobody expected is logged, and answered without its details."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except HTTPException as refusal:
            # From a body that was too long, where nobody reads bodies
            if started:
                raise
            await send_problem(scope, receive, send, refusal)
        except Exception as error:
            _log.error("%s %r failed", scope["method"], scope["path"], exc_info=error)
            if started:
                raise
            sentence = "The server made a mistake; its log says more."
            await send_problem(scope, receive, send, HTTPException(500, sentence))


async def _answer_domain(_: Request, error: Exception) -> Response:
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    sentence = _ended(redact(str(error)))
    if status >= 500:
        _log.error("%s", sentence)
    errors = [FieldProblem(field="", message=sentence)] if status == 422 else None
    again = _RETRY_AFTER.get(type(error))
    return _respond(status, sentence, errors, {"Retry-After": again} if again else None)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, detail, headers = error.status_code, str(error.detail), dict(error.headers or {})
    if status == 404:
        detail = f"There is nothing at {_shortened(request.url.path)}: see /openapi.json."
    elif status == 405:
        allowed = _allowed_methods(request)
        headers["Allow"] = ", ".join(allowed)
        detail = f"{request.method} is not possible here: use {' or '.join(allowed)}."
    elif status == 400:
        detail = "The body is not JSON in UTF-8."
    return _respond(status, detail, headers=headers)


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if broken := [one for one in errors if one["type"] == "json_invalid"]:
        reason, place = broken[0]["ctx"]["error"], broken[0]["loc"][-1]
        return _respond(400, f"The body is not JSON: {reason} at character {place}.")
    wrong = [FieldProblem(field=_field(one), message=_sentence(one)) for one in errors]
    detail = " ".join(one.message for one in wrong[:_SHOWN])
    if len(wrong) > _SHOWN:
        detail += f" And {len(wrong) - _SHOWN} more."
    return _respond(422, detail, wrong)


def _sentence(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a sentence that names the field."""
    field = _field(error) or "body"
    message = redact(str(error["msg"]))
    match error["type"]:
        case "missing" if field == "body":
            return "A body is required: a JSON object, with Content-Type: application/json."
        case "missing":
            return f"'{field}' is required."
        case "string_unicode":
            return f"'{field}' holds half a character: send Unicode text."
        case "extra_forbidden":
            return f"There is no field '{field}'."
        case "refused":
            named = f"'{field}'" in message or field == "body"
            return _ended(message if named else f"'{field}': {_lowered(message)}")
        case "string_pattern_mismatch":
            return f"'{field}' has a letter or form it must not have; it must match {_rule(error)}."
        case "model_attributes_type" | "model_type" | "dict_type" if field == "body":
            return "The body must be a JSON object, sent with Content-Type: application/json."
    return _ended(f"'{field}': {_lowered(message)}")


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def _rule(error: Mapping[str, Any]) -> str:
    return str(error["ctx"]["pattern"])


def _field(error: Mapping[str, Any]) -> str:
    """The place of an error, without where in the request it stands."""
    parts = (str(part) for part in error["loc"][1:] if part != "[key]")
    return _shortened(redact(".".join(parts)))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _allowed_methods(request: Request) -> list[str]:
    """What the path can be asked; a route alone knows only its own methods."""
    asked = {name: request.scope.get(name) for name in ("type", "path", "root_path", "headers")}
    return [
        method
        for method in _METHODS
        if any(
            route.matches({**asked, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def _respond(
    status: int,
    detail: str,
    errors: Sequence[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        title=title_of(status),
        status=status,
        detail=detail,
        errors=None if errors is None else list(errors),
    )
    # ASCII: a name in the request may hold half a surrogate pair, which UTF-8 has no bytes for
    body = json.dumps(problem.model_dump(exclude_none=True), ensure_ascii=True)
    return Response(body, status, headers, PROBLEM_JSON)

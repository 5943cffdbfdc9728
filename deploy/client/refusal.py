"""What a server refused, as an error whose sentence a person can act on."""

from typing import Any

import httpx

from deploy.client.address import ServerAddress
from deploy.errors import ApiError, ApiInputError, ApiRefusedError, ServerAnswerError

# Somebody asked for what is not there, is taken, has changed, or cannot be meant
INPUT_STATUSES = frozenset({404, 409, 412, 422})

HINTS = {
    401: "give a token of this server with --token-file or WATCHWORD_TOKEN",
    403: "the token's scope, or where the server listens, does not allow it",
}


def refusal(response: httpx.Response, server: ServerAddress) -> ApiError:
    """The error of an answer that is no success."""
    status = response.status_code
    problem = _problem(response)
    if problem is None and (status in INPUT_STATUSES or response.is_redirect):
        # Not a refusal of Watchword's: somebody else has the port, or the path is wrong
        return ServerAnswerError(
            f"{server} does not answer as a Watchword server does (HTTP {status}): check --server"
        )
    sentence = _sentence(problem or {}, response)
    if hint := HINTS.get(status):
        sentence = f"{sentence}: {hint}"
    kind = ApiInputError if status in INPUT_STATUSES else ApiRefusedError
    return kind(sentence, status)


def _problem(response: httpx.Response) -> dict[str, Any] | None:
    try:
        problem = response.json()
    except ValueError:
        return None
    return problem if isinstance(problem, dict) else None


def _sentence(problem: dict[str, Any], response: httpx.Response) -> str:
    told = problem.get("detail") or problem.get("title")
    fallback = f"the server answered HTTP {response.status_code} {response.reason_phrase}"
    sentence = str(told or fallback).strip().rstrip(".")
    fields = problem.get("errors")
    wrong = [_field(one) for one in fields] if isinstance(fields, list) else []
    # A detail often says what its first errors say
    return "; ".join([sentence, *(said for what, said in wrong if what not in sentence)])


def _field(error: object) -> tuple[str, str]:
    """What is wrong with one field, and the same with its name."""
    if not isinstance(error, dict):
        return str(error), str(error)
    name, what = str(error.get("field") or ""), str(error.get("message") or "").rstrip(".")
    return what, what if name in what else f"{name}: {what}"

"""Who asks: the name of a token, noted at the entrance and read by routes for the audit."""

from collections.abc import MutableMapping
from typing import Annotated, Any

from fastapi import Depends, Request


def note_caller(scope: MutableMapping[str, Any], name: str) -> None:
    """Note who asks in the scope of a request."""
    scope.setdefault("state", {})["caller"] = name


def caller_of(request: Request) -> str:
    """Who asks; "" where nobody is asked who they are."""
    return str(getattr(request.state, "caller", ""))


Caller = Annotated[str, Depends(caller_of)]

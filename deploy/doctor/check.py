"""What a check of the machine found."""

from typing import Literal

import msgspec

Status = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: `fix` says what to do where it is not ok.

    `warn` is something that will not be missed by everybody; with a `fail` nothing works.
    """

    name: str
    status: Status
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Check:
    """Nothing to do."""
    return Check(name=name, status="ok", found=found)


def warn(name: str, found: str, fix: str) -> Check:
    """It works, but not for everybody or not for long."""
    return Check(name=name, status="warn", found=found, fix=fix)


def fail(name: str, found: str, fix: str) -> Check:
    """It does not work."""
    return Check(name=name, status="fail", found=found, fix=fix)

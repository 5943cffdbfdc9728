"""The description of the HTTP interface, as it is checked in.

python -m deploy.http.openapi > deploy/openapi.json
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from deploy.http.app import build_app
from deploy.http.parts import HttpParts

CHECKED_IN = Path(__file__).resolve().parents[1] / "openapi.json"


def describe() -> str:
    """The description as text, the same for the same code."""
    return json.dumps(_app_description(), indent=2, ensure_ascii=False) + "\n"


def _app_description() -> dict[str, Any]:
    absent = cast(Any, None)  # a description asks nobody anything
    parts = HttpParts(
        cameras=absent,
        queries=absent,
        subscriptions=absent,
        silences=absent,
        alerts=absent,
        blind_periods=absent,
        dead_letters=absent,
        stream=absent,
        register=absent,
        check_webhook=absent,
        test_delivery=absent,
        publish=absent,
        ready=absent,
        registry=CollectorRegistry(),
    )
    return build_app(parts).openapi()


if __name__ == "__main__":
    sys.stdout.write(describe())

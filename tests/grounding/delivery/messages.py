"""Deliveries for tests."""

import base64
from typing import Any

import msgspec

from grounding.stores import Delivery

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two characters").decode()
PATTERN = Delivery(
    delivery_id=1,
    subscription_id="5ub5c21be000",
    url="https://hooks.example/hook",
    secret=SECRET,
    event_id="a1e27.1",
    body=msgspec.json.encode({"type": "alert.opened", "data": {"query": "a cat, près du feu"}}),
    attempts=0,
    first_at=1000.0,
    state="opened",
    seen_until=990.0,
    start=985.0,
)


def delivery(**changes: Any) -> Delivery:
    """A delivery like the pattern, but for the changes."""
    return msgspec.structs.replace(PATTERN, **changes)

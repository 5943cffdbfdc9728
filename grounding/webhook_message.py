"""What a webhook is sent: the body of a Standard Webhooks message."""

from typing import Any

import msgspec

from grounding.alert import Alert
from grounding.record import alert_record, rfc3339

TEST = "test"


def webhook_body(alert: Alert, at: float) -> bytes:
    """The message of one state of an alert that was taken in `at` (UTC seconds)."""
    return _message(f"alert.{alert.state}", at, alert_record(alert))


def check_body(subscription_id: str, at: float) -> bytes:
    """A message that only shows that messages arrive."""
    return _message(TEST, at, {"subscription_id": subscription_id})


def _message(kind: str, at: float, content: Any) -> bytes:
    return msgspec.json.encode({"type": kind, "timestamp": rfc3339(at), "data": content})

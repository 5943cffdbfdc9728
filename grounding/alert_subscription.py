"""Who is told of alerts: a webhook, and which alerts it wants."""

from fnmatch import fnmatchcase

import msgspec

from grounding.alert import Alert, AlertState
from grounding.query_record import SEVERITIES, Severity


class AlertSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook. `secret` signs its messages (Standard Webhooks, `whsec_...`) and is told once.

    `queries` names query ids, `cameras` camera ids, `*` standing for any run of letters.
    `disabled_reason` says why nothing is sent any more ("" while it is enabled).
    """

    subscription_id: str
    url: str
    secret: str
    revision: int = 0  # given by the store
    states: tuple[AlertState, ...] = ("opened",)
    queries: tuple[str, ...] = ("*",)
    cameras: tuple[str, ...] = ("*",)
    min_severity: Severity = "info"
    paused: bool = False
    disabled_reason: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0

    def wants(self, alert: Alert) -> bool:
        """Whether this state of the alert is sent."""
        return (
            not self.paused
            and not self.disabled_reason
            and alert.state in self.states
            and SEVERITIES.index(self.min_severity) <= _rank(alert.severity)
            and any(fnmatchcase(alert.query_id, pattern) for pattern in self.queries)
            and any(fnmatchcase(alert.camera_id, pattern) for pattern in self.cameras)
        )


def _rank(severity: str) -> int:
    return [str(known) for known in SEVERITIES].index(severity)

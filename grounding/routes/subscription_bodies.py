"""Subscriptions as HTTP takes and tells them."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, Field, StringConstraints

from grounding.alert import AlertState
from grounding.alert_subscription import AlertSubscription
from grounding.delivery.outcome import DeliveryOutcome
from grounding.delivery.webhook import MAX_CHARACTERS, read_webhook
from grounding.query_record import Severity
from streamer.address import redact
from streamer.errors import EntityInvalidError
from streamer.shape import Patterns, Shape, checked, utc


def _check_url(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        raise EntityInvalidError(
            f"'{scheme[:20]}://' cannot be called: a webhook's url begins with https:// or http://."
        )
    read_webhook(url)
    return url


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_CHARACTERS, pattern=r"^[^\x00-\x20\x7f]+$"),
    AfterValidator(checked(_check_url, EntityInvalidError)),
    Field(
        description="Where alerts are posted to, http or https.",
        examples=["https://example.org/hooks/watchword"],
    ),
]
States = Annotated[
    list[AlertState],
    Field(min_length=1, max_length=3, description="Which states of an alert are sent."),
]
Queries = Annotated[
    Patterns, Field(description="Of which queries: ids, `*` standing for any run of letters.")
]
Cameras = Annotated[
    Patterns, Field(description="On which cameras: ids, `*` standing for any run of letters.")
]
Least = Annotated[Severity, Field(description="Only alerts that matter at least so much.")]
Paused = Annotated[bool, Field(description="Send nothing for now.")]


def _opened() -> list[AlertState]:
    return ["opened"]


class SubscriptionRequest(Shape):
    """A webhook that is to be told of alerts."""

    url: Url
    states: States = Field(default_factory=_opened)
    queries: Queries = Field(default_factory=lambda: ["*"])
    cameras: Cameras = Field(default_factory=lambda: ["*"])
    min_severity: Least = "info"
    paused: Paused = False


class SubscriptionChange(Shape):
    """What shall be different; null puts a field back to its default."""

    url: Url | None = None
    states: States | None = None
    queries: Queries | None = None
    cameras: Cameras | None = None
    min_severity: Least | None = None
    paused: Paused | None = None


class SubscriptionReply(Shape):
    """A webhook that is told of alerts."""

    id: str
    url: str = Field(description="Without secret parameters.")
    states: list[AlertState]
    queries: list[str]
    cameras: list[str]
    min_severity: Severity
    paused: bool
    disabled_reason: str | None = Field(
        description="Why nothing is sent any more, null while it is. A change that names `url` or "
        "`paused: false` enables it again."
    )
    revision: int
    created_at: datetime
    updated_at: datetime


class SubscriptionCreated(SubscriptionReply):
    """The new subscription, and for this once its secret."""

    secret: str = Field(
        description="Signs its messages (Standard Webhooks). It is not told again.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class SubscriptionPage(Shape):
    """Subscriptions, by their ids."""

    items: list[SubscriptionReply]
    next: str | None = Field(description="The cursor of the next page, null on the last.")


class TestReply(Shape):
    """What came of a test message."""

    __test__ = False  # pytest would take it for a test by its name

    outcome: Literal["sent", "failed"]
    status: int | None = Field(description="Of the receiver's answer; null: there was none.")
    message: str = Field(description='Why it failed, in a sentence; "" if it did not.')
    seconds: float = Field(description="How long it took.")


def as_requested(subscription: AlertSubscription) -> dict[str, Any]:
    """The fields of the request that would make this subscription."""
    named = {name: getattr(subscription, name) for name in SubscriptionRequest.model_fields}
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(named))  # tuples become lists
    return fields


def reply(subscription: AlertSubscription) -> SubscriptionReply:
    """The subscription as it is told."""
    return SubscriptionReply(**_fields(subscription))


def created(subscription: AlertSubscription) -> SubscriptionCreated:
    """The subscription as it is told once."""
    return SubscriptionCreated(**_fields(subscription), secret=subscription.secret)


def tested(outcome: DeliveryOutcome) -> TestReply:
    """What came of a test message, as it is told."""
    return TestReply(
        outcome="sent" if outcome.accepted else "failed",
        status=outcome.status,
        message=redact(outcome.why),
        seconds=round(outcome.seconds, 3),
    )


def apply(subscription: AlertSubscription, asked: SubscriptionRequest) -> AlertSubscription:
    """The subscription as asked."""
    return msgspec.structs.replace(
        subscription,
        url=asked.url,
        states=tuple(asked.states),
        queries=tuple(asked.queries),
        cameras=tuple(asked.cameras),
        min_severity=asked.min_severity,
        paused=asked.paused,
    )


def _fields(subscription: AlertSubscription) -> dict[str, Any]:
    return as_requested(subscription) | {
        "id": subscription.subscription_id,
        "url": redact(subscription.url),
        "disabled_reason": redact(subscription.disabled_reason) or None,
        "revision": subscription.revision,
        "created_at": utc(subscription.created_at),
        "updated_at": utc(subscription.updated_at),
    }

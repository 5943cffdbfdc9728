"""One event to one webhook, once: signed, to a checked address, with an end in time."""

import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpcore
import httpx
from standardwebhooks import Webhook as Signature
from standardwebhooks.webhooks import EmptyWebhookSecretError

from grounding.delivery.checked_network import CheckedNetwork, Deadline
from grounding.delivery.options import DeliveryOptions
from grounding.delivery.outcome import DeliveryOutcome
from grounding.delivery.webhook import Webhook, read_webhook
from grounding.errors import DeliveryError
from grounding.stores import Delivery
from streamer.address_policy import AddressPolicy
from streamer.errors import AddressRefusedError, EntityInvalidError, SourceUnknownHostError

MAX_ANSWER_BYTES = 4096
# The status has come and decides; hearing the rest out only spares the receiver a broken pipe
COURTESY_SECONDS = 1.0

Headers = list[tuple[bytes, bytes]]

_ASKS_TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class WebhookSender:
    """Sends deliveries; may be used by many threads at once.

    Every delivery has a connection of its own, through no proxy, to an address that the policy
    let pass. Redirects are not followed.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        options: DeliveryOptions,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._options = options
        self._ssl_context = ssl_context or httpx.create_ssl_context()
        self._clock = clock

    def send(self, delivery: Delivery) -> DeliveryOutcome:
        """What came of sending it once; nothing that a receiver does raises."""
        began = time.monotonic()
        outcome = self._try(delivery)
        return replace(outcome, seconds=time.monotonic() - began)

    def _try(self, delivery: Delivery) -> DeliveryOutcome:
        try:
            webhook = read_webhook(delivery.url)
            headers = self._headers(delivery, webhook)
        except (EntityInvalidError, DeliveryError) as error:
            return DeliveryOutcome("failed", why=str(error))
        try:
            status, answered = self._post(webhook, headers, delivery.body)
        except (AddressRefusedError, SourceUnknownHostError) as error:
            return DeliveryOutcome("retry", why=str(error))
        except httpcore.TimeoutException:
            patience = self._options.total_timeout_seconds
            why = f"{webhook.shown} did not answer within {patience:g} s."
            return DeliveryOutcome("retry", why=why)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return DeliveryOutcome("retry", why=_explain(webhook, error))
        return self._judge(webhook, status, answered)

    def _headers(self, delivery: Delivery, webhook: Webhook) -> Headers:
        at = int(self._clock())
        named = {
            "host": webhook.shown,
            "content-type": "application/json",
            "user-agent": self._options.user_agent,
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(at),
            "webhook-signature": sign(delivery, at),
        }
        return [(name.encode(), value.encode()) for name, value in named.items()]

    def _post(self, webhook: Webhook, headers: Headers, body: bytes) -> tuple[int, Headers]:
        """The status and the headers of the answer; raises what httpcore and `resolve` raise."""
        options = self._options
        deadline = Deadline(options.total_timeout_seconds)
        total = options.total_timeout_seconds
        url = httpcore.URL(
            scheme=webhook.scheme, host=webhook.host, port=webhook.port, target=webhook.target
        )
        timeouts = {"connect": options.connect_timeout_seconds, "read": total, "write": total}
        connection = httpcore.HTTPConnection(
            url.origin, self._ssl_context, network_backend=CheckedNetwork(self._policy, deadline)
        )
        with (
            contextlib.closing(connection),
            connection.stream(
                "POST", url, headers=headers, content=body, extensions={"timeout": timeouts}
            ) as response,
        ):
            deadline.tighten(COURTESY_SECONDS)
            _hear_out(response)
            return response.status, list(response.headers)

    def _judge(self, webhook: Webhook, status: int, headers: Headers) -> DeliveryOutcome:
        if 200 <= status < 300:
            return DeliveryOutcome("accepted", status)
        why = f"{webhook.shown} answered {_named(status)}"
        if status == HTTPStatus.GONE:
            return DeliveryOutcome("gone", status, f"{why}: it wants no more messages.")
        if 300 <= status < 400:
            why += ": redirects are not followed, subscribe the address it leads to"
        asked = self._wait_asked(headers) if status in _ASKS_TO_WAIT else None
        return DeliveryOutcome("retry", status, f"{why}.", asked)

    def _wait_asked(self, headers: Headers) -> float | None:
        for name, value in headers:
            if name.lower() == b"retry-after":
                asked = read_retry_after(value.decode("latin-1"), self._clock())
                longest = self._options.longest_retry_seconds
                return None if asked is None else min(asked, longest)
        return None


def sign(delivery: Delivery, at: int) -> str:
    """The signature of a delivery sent at `at` (UTC seconds), by Standard Webhooks.

    Raises:
        DeliveryError: the secret is none.
    """
    try:
        signature = Signature(delivery.secret)
        return signature.sign(
            delivery.event_id, datetime.fromtimestamp(at, UTC), delivery.body.decode()
        )
    except (ValueError, EmptyWebhookSecretError) as error:
        raise DeliveryError(
            "The subscription's secret cannot sign: remove the subscription and make a new one."
        ) from error


def read_retry_after(text: str, now: float) -> float | None:
    """The seconds that a Retry-After header asks for; None if it cannot be meant.

    >>> read_retry_after("120", now=0.0)
    120.0
    >>> read_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=0.0)
    60.0
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        # HTTP's dates are GMT; one that says it knows no zone ("-0000") comes without
        return max(at.replace(tzinfo=at.tzinfo or UTC).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def _hear_out(response: httpcore.Response) -> None:
    heard = 0
    with contextlib.suppress(
        httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError
    ):
        for piece in response.iter_stream():
            heard += len(piece)
            if heard >= MAX_ANSWER_BYTES:
                return


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _explain(webhook: Webhook, error: Exception) -> str:
    """The sentence for a connection that failed; httpcore tells kinds apart by its causes."""
    cause = error.__cause__ or error.__context__
    match cause:
        case ssl.SSLCertVerificationError():
            return (
                f"The certificate of {webhook.shown} is not valid for it: {cause.verify_message}."
            )
        case ssl.SSLError():
            return f"{webhook.shown} does not speak TLS as this server does: {cause.reason}."
        case ConnectionRefusedError():
            return f"Nobody listens at {webhook.shown}: is the receiver running?"
    if isinstance(error, httpcore.ConnectError):
        return f"{webhook.shown} cannot be reached: check the address and the network."
    return f"{webhook.shown} broke the connection off, or does not speak HTTP."

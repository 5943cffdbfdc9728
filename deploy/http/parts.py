"""What the HTTP app is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from deploy.http.access import AccessOptions
from deploy.http.limits import HttpLimits
from encoder.dead_letter_store import DeadLetterStore
from grounding.alert_evidence import AlertEvidence
from grounding.alert_stream import AlertStream
from grounding.delivery.outcome import DeliveryOutcome
from grounding.stores import AlertStore, BlindStore, QueryStore, SilenceStore, SubscriptionStore
from streamer.bus import Message
from streamer.camera_store import CameraStore
from streamer.evidence.shelf import Shelf
from streamer.routes import CameraRegistration


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpParts:
    """The stores, and what routes ask of the rest of the process.

    `register` checks a camera's address and takes its secrets out, `check_webhook` raises
    AddressRefusedError (or another sentence of the streamer's tree) for a URL that may not be
    called, `test_delivery` sends a test message to the subscription of an id and says what came
    back. `publish` returns once a message is on its topic, and raises BusError if that takes too
    long. `ready` tells whether every part works. `evidence` cuts the clips of alerts,
    `snapshots` is where pictures of cameras lie; None where nothing is kept.
    """

    cameras: CameraStore
    queries: QueryStore
    subscriptions: SubscriptionStore
    silences: SilenceStore
    alerts: AlertStore
    blind_periods: BlindStore
    dead_letters: DeadLetterStore
    stream: AlertStream
    register: CameraRegistration
    check_webhook: Callable[[str], None]
    test_delivery: Callable[[str], DeliveryOutcome]
    publish: Callable[[Message], object]
    ready: Callable[[], bool]
    registry: CollectorRegistry
    evidence: AlertEvidence | None = None
    snapshots: Shelf | None = None
    access: AccessOptions = field(default_factory=AccessOptions)
    limits: HttpLimits = field(default_factory=HttpLimits)

"""The api part, put together: HTTP and deliveries over the store."""

from collections.abc import Callable
from socket import socket

from prometheus_client import REGISTRY

from deploy.api_part import ApiPart, ApiParts
from deploy.errors import SealError, StoreError
from deploy.evidence import Evidence, EvidenceKeeper
from deploy.http.app import build_app
from deploy.http.parts import HttpParts
from deploy.http.server import HttpServer
from deploy.settings import Settings
from deploy.settings import parts as chosen
from deploy.store import Store
from grounding.alert_evidence import AlertEvidence
from grounding.alert_stream import AlertStream, AlertStreamOptions
from grounding.delivery.rehearsal import send_test
from grounding.delivery.sender import WebhookSender
from grounding.delivery.webhook import check_webhook
from grounding.delivery.worker import DeliveryWorker
from streamer.bus import Bus
from streamer.registration import CameraRegistration

PUBLISH_SECONDS = 10.0  # how long an HTTP request waits for a topic that is full


def build_api(
    settings: Settings,
    store: Store,
    registration: CameraRegistration,
    bus: Bus,
    listener: socket,
    ready: Callable[[], bool],
    evidence: Evidence | None = None,
) -> ApiPart:
    """The api part over an open store; `ready` speaks for the whole process."""
    keeper = None
    if evidence is not None:
        clips = AlertEvidence(evidence.shelf, chosen.clip_options(settings), evidence.config)
        keeper = EvidenceKeeper(evidence, store.alerts, clips)
    policy = chosen.webhook_policy(settings)
    options = chosen.delivery_options(settings)
    sender = WebhookSender(policy, options)
    stream = AlertStream(
        store.alerts,
        AlertStreamOptions(
            keep_alive_seconds=settings.server.keep_alive_seconds,
            buffer=settings.server.follower_buffer,
        ),
    )
    app = build_app(
        HttpParts(
            cameras=store.cameras,
            queries=store.queries,
            subscriptions=store.subscriptions,
            silences=store.silences,
            alerts=store.alerts,
            blind_periods=store.blind_periods,
            dead_letters=store.dead_letters,
            stream=stream,
            register=registration,
            check_webhook=lambda url: check_webhook(url, policy),
            test_delivery=lambda known: send_test(store.deliveries, sender, known),
            publish=lambda message: bus.publish(message, timeout=PUBLISH_SECONDS),
            ready=ready,
            registry=REGISTRY,
            evidence=None if keeper is None else keeper.clips,
            snapshots=None if evidence is None else evidence.shelf,
            access=chosen.access_options(settings),
            limits=chosen.http_limits(settings),
        )
    )
    delivery = DeliveryWorker(
        store.deliveries,
        sender,
        store.deliveries.wait,
        options,
        store_faults=(StoreError, SealError),
    )
    http = HttpServer(app, listener, settings.server.drain_seconds)
    parts = ApiParts(store, stream, delivery, http, settings.store.keep_days, keeper)
    return ApiPart(parts, bus)

"""`watchword serve`: all parts of the pipeline in one process, until it is told to end.

Whoever is handed something is there before whoever hands it: the api part starts first, cameras
last. They end in the data's own order: cameras stop; what they saw is encoded, grounded, stored
and told; alerts that are still open wait in the store for the next start.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from socket import socket

from prometheus_client import REGISTRY

import encoder.part
import grounding.part
import streamer.part
from deploy.api_part import ApiPart, ApiParts
from deploy.declared import declare
from deploy.errors import SealError, StoreError
from deploy.http.app import build_app
from deploy.http.parts import HttpParts
from deploy.http.server import HttpServer, bind, url_of
from deploy.parts import Part
from deploy.settings import Settings
from deploy.settings import parts as chosen
from deploy.store import Store, open_store
from deploy.threads import Threads
from deploy.vault import Vault
from encoder.bundle import load_bundle
from grounding.alert_stream import AlertStream, AlertStreamOptions
from grounding.delivery.rehearsal import send_test
from grounding.delivery.sender import WebhookSender
from grounding.delivery.webhook import check_webhook
from grounding.delivery.worker import DeliveryWorker
from streamer.bus import Bus
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.registration import CameraRegistration

_log = logging.getLogger(__name__)


def serve(settings: Settings, stop: threading.Event) -> None:
    """Run everything until `stop` is set, and then for as long as draining takes.

    Raises what the settings lead to: DeployError, and what streamer, encoder and grounding raise
    for bundles, addresses and models that cannot be used; else the first error of any part.
    """
    here = Path.cwd()
    with ExitStack() as stack:
        listener = stack.enter_context(bind(settings.server.host, settings.server.port))
        bundle = load_bundle(settings.bundle)
        vault = Vault.open(settings.key_file)
        store = stack.enter_context(closing(open_store(settings.store_url, vault)))
        registration = CameraRegistration(
            settings.file_roots(here), chosen.camera_policy(settings), vault.seal
        )
        declare(settings, store, registration)
        bus = MemoryBus()
        stack.callback(bus.close)
        cameras = streamer.part.build(
            chosen.streamer_config(settings, bundle.space.clip_format, vault, here),
            bus,
            StreamerMetrics(REGISTRY),
        )
        clips = encoder.part.build(chosen.encoder_config(settings), bundle, bus)
        queries = grounding.part.build(chosen.grounding_config(settings), bundle, bus)

        def ready() -> bool:
            return cameras.ready.is_set() and clips.ready and queries.ready

        api = _build_api(settings, store, registration, bus, listener, ready)
        api.seed()
        _log.info("Watchword serves at %s with %s", url_of(listener), bundle.name)
        run_parts((api, queries, clips, cameras), bus, stop, settings.server.drain_seconds)


def run_parts(parts: Sequence[Part], bus: Bus, stop: threading.Event, drain_seconds: float) -> None:
    """Start parts in this order; when `stop` is set, end the last and let the others drain.

    What has not drained in time is stopped where it is. Raises the first error of any part.
    """
    stops = {part.name: threading.Event() for part in parts}

    def abort() -> None:
        for one in stops.values():
            one.set()
        bus.close()
        stop.set()

    threads = Threads(abort)
    for part in parts:
        threads.start(part.name, partial(part.run, stops[part.name]))
    stop.wait()
    began = time.monotonic()
    stops[parts[-1].name].set()
    if not threads.ended_within(drain_seconds):
        _log.warning("not drained within %g s: what was still on its way is lost", drain_seconds)
        abort()
    threads.wait()
    _log.info("Watchword ended after draining for %.1f s", time.monotonic() - began)


def _build_api(
    settings: Settings,
    store: Store,
    registration: CameraRegistration,
    bus: Bus,
    listener: socket,
    ready: Callable[[], bool],
) -> ApiPart:
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
            stream=stream,
            register=registration,
            check_webhook=lambda url: check_webhook(url, policy),
            test_delivery=lambda known: send_test(store.deliveries, sender, known),
            ready=ready,
            registry=REGISTRY,
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
    return ApiPart(ApiParts(store, stream, delivery, http, settings.store.keep_days), bus)

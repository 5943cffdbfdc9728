"""`watchword serve`: all parts of the pipeline, or some of them, until the process is told to end.

Whoever is handed something is there before whoever hands it: the api part starts first, cameras
last. They end in the data's own order: cameras stop; what they saw is encoded, grounded, stored
and told; alerts that are still open wait in the store, or on Kafka, for the next start.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket

from prometheus_client import REGISTRY

import encoder.part
import grounding.part
import streamer.part
from deploy.build_api import build_api
from deploy.declared import declare
from deploy.evidence import open_evidence
from deploy.http.probes import build_probes
from deploy.http.server import HttpServer, bind, url_of
from deploy.metrics import BusLag
from deploy.open_bus import open_bus
from deploy.parts import PARTS, Part, clips_travel
from deploy.probe_part import ProbePart
from deploy.run_parts import run_parts
from deploy.settings import Settings
from deploy.settings import parts as chosen
from deploy.store import Store, open_store
from deploy.unseal import Unsealer
from deploy.vault import Vault
from encoder.bundle import Bundle, load_bundle, load_manifest
from encoder.manifest import Manifest
from streamer.bus import Bus
from streamer.errors import BusClosedError
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.registration import CameraRegistration
from streamer.split_bus import SplitBus

_log = logging.getLogger(__name__)


def serve(settings: Settings, stop: threading.Event, parts: Sequence[str] = PARTS) -> None:
    """Run these parts until `stop` is set, and then for as long as draining takes.

    Raises what the settings lead to: DeployError, and what streamer, encoder and grounding raise
    for bundles, addresses, brokers and models that cannot be used; else the first error of any
    part.
    """
    here = Path.cwd()
    with ExitStack() as stack:
        listener = stack.enter_context(bind(settings.server.host, settings.server.port))
        models = _Models.load(settings, parts)
        evidence = open_evidence(settings, parts)
        stored = _Stored.open(settings, here, stack) if "api" in parts else None
        try:
            bus = stack.enter_context(open_bus(settings, parts, stop))
        except BusClosedError:
            return  # told to end while no broker answered
        lag = BusLag(bus)
        REGISTRY.register(lag)
        stack.callback(REGISTRY.unregister, lag)
        pipeline = tuple(_build_pipeline(settings, parts, models, bus, here))

        def ready() -> bool:
            settled = bus.settled if isinstance(bus, SplitBus) else True
            return settled and all(part.ready for part in running)

        first: Part
        if stored is None:
            first = ProbePart(_probe_server(settings, listener, ready))
        else:
            first = build_api(
                settings, stored.store, stored.registration, bus, listener, ready, evidence
            )
            first.seed(alert_state=isinstance(bus, MemoryBus))
        running: tuple[Part, ...] = (first, *pipeline)
        _log.info("Watchword serves at %s with %s", url_of(listener), models.told(parts))
        run_parts(running, bus, stop, settings.server.drain_seconds)


@dataclass(frozen=True, slots=True)
class _Models:
    """What of the bundle these parts need: the streamer only what its manifest says of clips."""

    manifest: Manifest | None
    bundle: Bundle | None

    @classmethod
    def load(cls, settings: Settings, parts: Sequence[str]) -> "_Models":
        if "encoder" in parts or "grounding" in parts:
            bundle = load_bundle(settings.bundle)
            return cls(bundle.manifest, bundle)
        return cls(load_manifest(settings.bundle) if "streamer" in parts else None, None)

    def told(self, parts: Sequence[str]) -> str:
        name = [] if self.manifest is None else [self.manifest.name]
        return ", ".join(name if tuple(parts) == PARTS else [*parts, *name])


@dataclass(frozen=True, slots=True)
class _Stored:
    """The store, and what may be written to it of cameras."""

    store: Store
    registration: CameraRegistration

    @classmethod
    def open(cls, settings: Settings, here: Path, stack: ExitStack) -> "_Stored":
        vault = Vault.open(settings.key_file)
        shared = bool(settings.kafka.bootstrap_servers)
        store = open_store(settings.store_url, vault, shared=shared)
        stack.enter_context(closing(store))
        registration = CameraRegistration(
            settings.file_roots(here), chosen.camera_policy(settings), vault.seal
        )
        declare(settings, store, registration)
        return cls(store, registration)


def _build_pipeline(
    settings: Settings, parts: Sequence[str], models: _Models, bus: Bus, here: Path
) -> Iterator[Part]:
    """The parts but for the api, from the end of the data's way to its beginning."""
    if "grounding" in parts and models.bundle is not None:
        yield grounding.part.build(chosen.grounding_config(settings), models.bundle, bus)
    travel = clips_travel(parts)
    if "encoder" in parts and models.bundle is not None:
        yield encoder.part.build(chosen.encoder_config(settings, travel), models.bundle, bus)
    if "streamer" in parts and models.manifest is not None:
        clip_format = models.manifest.space.space.clip_format
        unseal = Unsealer(settings.key_file)
        config = replace(
            chosen.streamer_config(settings, clip_format, unseal, here, travel),
            evidence=chosen.evidence_config(settings, parts),
        )
        yield streamer.part.build(config, bus, StreamerMetrics(REGISTRY))


def _probe_server(settings: Settings, listener: socket, ready: Callable[[], bool]) -> HttpServer:
    app = build_probes(ready, REGISTRY, chosen.access_options(settings))
    return HttpServer(app, listener, settings.server.drain_seconds)

"""From sections to the frozen settings of the parts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from deploy.errors import ConfigError
from deploy.http.access import AccessOptions, Token
from deploy.http.limits import HttpLimits
from deploy.parts import PARTS
from deploy.settings.kafka import split_brokers
from deploy.settings.queries import DeclaredQuery
from deploy.settings.settings import Settings
from encoder.config import EncoderConfig
from encoder.session import SessionOptions
from grounding.config import AlertSettings, GroundingConfig, OverloadSettings
from grounding.delivery.options import DeliveryOptions
from grounding.query_record import QueryRecord, Sensitivity
from grounding.schedule import Hours, Schedule
from streamer.address_policy import AddressPolicy
from streamer.clip import ClipFormat
from streamer.config import BackOffSettings, StreamerPartConfig
from streamer.evidence.config import GIGABYTE, ClipOptions, EvidenceConfig
from streamer.evidence.shelf import is_local
from streamer.kafka_options import KafkaOptions


def access_options(settings: Settings) -> AccessOptions:
    """Who may ask what."""
    return AccessOptions(
        tuple(
            Token.of(token.name, frozenset(token.scopes), token.token.get_secret_value())
            for token in settings.server.all_tokens
        )
    )


def http_limits(settings: Settings) -> HttpLimits:
    """How much a request may bring."""
    return HttpLimits(max_body_bytes=settings.server.max_body_bytes)


def delivery_options(settings: Settings) -> DeliveryOptions:
    """How webhooks are called."""
    section = settings.delivery
    return DeliveryOptions(
        workers=section.workers,
        connect_timeout_seconds=section.connect_timeout_seconds,
        total_timeout_seconds=section.total_timeout_seconds,
        first_retry_seconds=section.first_retry_seconds,
        longest_retry_seconds=section.longest_retry_seconds,
        give_up_after_seconds=section.give_up_after_seconds,
        # A claim must outlast its attempt, however long that may take
        lease_seconds=max(60.0, 3 * section.total_timeout_seconds),
        drain_seconds=settings.server.drain_seconds,
    )


def encoder_config(settings: Settings, clips_travel: bool = False) -> EncoderConfig:
    """How clips are encoded; those that travel over Kafka may be stale when they come."""
    section = settings.encoder
    return EncoderConfig(
        session=session_options(settings),
        batch=section.batch,
        wait_seconds=section.wait_seconds,
        stale_seconds=section.stale_seconds if clips_travel else 0.0,
    )


def session_options(settings: Settings) -> SessionOptions:
    """Where the encoder's models run."""
    section = settings.encoder
    return SessionOptions(threads=section.threads, device=section.device, runtime=section.runtime)


def grounding_config(settings: Settings) -> GroundingConfig:
    """How queries are evaluated."""
    section = settings.grounding
    return replace(
        GroundingConfig(),
        alerts=AlertSettings(
            merge_seconds=section.merge_seconds, settle_seconds=section.settle_seconds
        ),
        session=SessionOptions(threads=section.threads),
        audit_every=section.audit_every,
        silence_grace_seconds=section.silence_grace_seconds,
        tick_seconds=section.tick_seconds,
        overload=_overload(settings),
    )


def streamer_config(
    settings: Settings,
    clip_format: ClipFormat,
    unseal: Callable[[str], str],
    started_in: Path,
    clips_travel: bool = False,
) -> StreamerPartConfig:
    """How cameras are read; `unseal` opens what the store sealed of their credentials.

    Clips that travel over Kafka do so as JPEGs.
    """
    section = settings.cameras
    return StreamerPartConfig(
        clip_format=clip_format,
        address_policy=camera_policy(settings),
        file_roots=settings.file_roots(started_in),
        unseal=unseal,
        pixels="jpeg" if clips_travel else "raw",
        back_off=BackOffSettings(section.first_retry_seconds, section.longest_retry_seconds),
        open_timeout_seconds=section.open_timeout_seconds,
        read_timeout_seconds=section.read_timeout_seconds,
        decoder=section.decoder,
        isolation=section.isolation,
        per_process=section.per_process,
    )


def evidence_config(settings: Settings, parts: Sequence[str] = PARTS) -> EvidenceConfig | None:
    """How evidence is kept; None where it is not.

    Raises ConfigError if parts that run apart could not all reach it.
    """
    section = settings.storage.evidence
    if not section.enabled:
        return None
    apart = tuple(parts) != PARTS
    if apart and not section.url:
        return None
    if apart and is_local(section.url):
        raise ConfigError(
            f"storage.evidence.url ({section.url}) is a folder, and parts of this Watchword run in "
            "other processes, on any machine: name a store that all of them reach, as "
            "s3://bucket/evidence, or set storage.evidence.enabled: false"
        )
    folder = settings.data_folder / "evidence"
    url = section.url or str(folder)
    local = Path(url.removeprefix("file://")).expanduser() if is_local(url) else None
    return EvidenceConfig(
        url=url if local is None else str(local.absolute()),
        # Beside the complete ones, which are renamed; a store is given what lies on this machine
        open_folder=(settings.data_folder / "evidence-open" if local is None else local / "_open"),
        keep_seconds=section.keep_hours * 3600.0,
        keep_bytes=round(section.keep_gigabytes * GIGABYTE),
        keep_free_bytes=round(section.keep_free_gigabytes * GIGABYTE),
        segment_seconds=section.segment_seconds,
    )


def clip_options(settings: Settings) -> ClipOptions:
    """What is cut out of evidence for an alert."""
    section = settings.storage.evidence
    return ClipOptions(
        before_seconds=section.before_seconds,
        after_seconds=section.after_seconds,
        longest_seconds=section.longest_clip_seconds,
    )


def kafka_options(settings: Settings) -> KafkaOptions:
    """The cluster, if `bootstrap_servers` names one, and how it is talked to."""
    section = settings.kafka
    return KafkaOptions(
        bootstrap_servers=split_brokers(section.bootstrap_servers),
        client_id=section.client_id,
        topic_prefix=section.topic_prefix,
        instance=section.instance,
        partitions=section.partitions,
        replication=section.replication,
        compression=section.compression,
        security_protocol=section.security_protocol,
        sasl_mechanism=section.sasl_mechanism,
        username=section.username,
        password=section.password.get_secret_value(),
        ca_file=section.ca_file,
        certificate_file=section.certificate_file,
        key_file=section.key_file,
        start_timeout_seconds=section.start_timeout_seconds,
        session_timeout_seconds=section.session_timeout_seconds,
        transaction_timeout_seconds=section.transaction_timeout_seconds,
        revoke_seconds=section.revoke_seconds,
    )


def camera_policy(settings: Settings) -> AddressPolicy:
    """Where cameras may lead."""
    return _policy(settings, private=settings.network.camera_private)


def webhook_policy(settings: Settings) -> AddressPolicy:
    """Where webhooks may lead."""
    return _policy(settings, private=settings.network.webhook_private)


def query_records(settings: Settings) -> tuple[QueryRecord, ...]:
    """The standing queries of the file, as the store declares them."""
    return tuple(_query_record(query) for query in settings.queries.list)


def _policy(settings: Settings, *, private: bool) -> AddressPolicy:
    allowed = tuple(str(network) for network in settings.network.allowed)
    return AddressPolicy(loopback=settings.server.on_loopback, private=private, allowed=allowed)


def _overload(settings: Settings) -> OverloadSettings | None:
    section = settings.grounding
    if section.overload_after_seconds == 0:
        return None
    return OverloadSettings(
        limit_seconds=section.overload_after_seconds, pairs=section.overload_pairs
    )


def _query_record(query: DeclaredQuery) -> QueryRecord:
    return QueryRecord(
        query_id=query.id,
        text=query.text,
        negatives=query.negatives,
        cameras=query.cameras,
        schedule=_schedule(query),
        sensitivity=Sensitivity(
            alerts_per_day=query.sensitivity.alerts_per_day, threshold=query.sensitivity.threshold
        ),
        severity=query.severity,
        labels=dict(query.labels),
        for_seconds=query.for_seconds,
        keep_firing_for_seconds=query.keep_firing_for_seconds,
        cooldown_seconds=query.cooldown_seconds,
        wanted="paused" if query.paused else "armed",
        declared=True,
    )


def _schedule(query: DeclaredQuery) -> Schedule | None:
    if query.schedule is None:
        return None
    hours = tuple(
        Hours(days=span.days, begin=span.begin, end=span.end) for span in query.schedule.hours
    )
    return Schedule(hours=hours, timezone=query.schedule.timezone)

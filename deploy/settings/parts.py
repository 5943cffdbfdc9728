"""From sections to the frozen settings of the parts."""

from dataclasses import replace
from pathlib import Path

from deploy.errors import SealError
from deploy.http.access import AccessOptions, Token
from deploy.http.limits import HttpLimits
from deploy.settings.queries import DeclaredQuery
from deploy.settings.settings import Settings
from deploy.vault import Vault
from encoder.config import EncoderConfig
from encoder.session import SessionOptions
from grounding.config import AlertSettings, GroundingConfig
from grounding.delivery.options import DeliveryOptions
from grounding.query_record import QueryRecord, Sensitivity
from grounding.schedule import Hours, Schedule
from streamer.address_policy import AddressPolicy
from streamer.clip import ClipFormat
from streamer.config import BackOffSettings, StreamerPartConfig
from streamer.errors import SourceAccessError


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


def encoder_config(settings: Settings) -> EncoderConfig:
    """How clips are encoded."""
    section = settings.encoder
    return EncoderConfig(
        session=SessionOptions(threads=section.threads),
        batch=section.batch,
        wait_seconds=section.wait_seconds,
    )


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
    )


def streamer_config(
    settings: Settings, clip_format: ClipFormat, vault: Vault, started_in: Path
) -> StreamerPartConfig:
    """How cameras are read; `vault` opens what the store sealed of their credentials."""

    def unseal(sealed: str) -> str:
        try:
            return vault.unseal(sealed)
        except SealError as error:
            raise SourceAccessError(str(error)) from error

    section = settings.cameras
    return StreamerPartConfig(
        clip_format=clip_format,
        address_policy=camera_policy(settings),
        file_roots=settings.file_roots(started_in),
        unseal=unseal,
        back_off=BackOffSettings(section.first_retry_seconds, section.longest_retry_seconds),
        open_timeout_seconds=section.open_timeout_seconds,
        read_timeout_seconds=section.read_timeout_seconds,
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

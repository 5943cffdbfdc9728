"""How the parts run: encoder, grounding, delivery, and where they may connect."""

import ipaddress
import re
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator

from deploy.settings.section import (
    Count,
    FilePath,
    PositiveCount,
    PositiveSeconds,
    Seconds,
    Section,
    check_rising,
)
from encoder.session import Runtime
from grounding.config import AlertSettings, GroundingConfig, OverloadSettings

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,2})?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ALERTS, _GROUNDING, _OVERLOAD = AlertSettings(), GroundingConfig(), OverloadSettings()


def _read_network(value: object) -> Network:
    if not isinstance(value, str):
        raise ValueError("should be a network, as 10.0.0.0/8")
    try:
        return ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"is no network ({error}): write one as 10.0.0.0/8") from error


def _read_device(value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise ValueError("should be auto, cpu, cuda or the number of a card, as cuda:1")
    return value


Device = Annotated[str, AfterValidator(_read_device)]


class StoreSettings(Section):
    """Where everything that is kept is kept."""

    url: SecretStr = SecretStr("")  # "": SQLite in the data folder
    url_file: FilePath | None = None  # where `url` was read from
    keep_days: PositiveCount = 90


class SecretsSettings(Section):
    """The key that seals secrets in the store."""

    key_file: str = ""  # "": in the data folder


class EncoderSettings(Section):
    """How clips are encoded."""

    device: Device = "auto"
    runtime: Runtime = "auto"
    batch: Count = 0  # 0: as the device likes it
    wait_seconds: Seconds = 0.1
    threads: Count = 0  # 0: one for every core
    stale_seconds: Seconds = 60.0  # of clips over Kafka; 0: never

    @model_validator(mode="after")
    def _runtime_fits_device(self) -> Self:
        named = "auto" not in (self.device, self.runtime)
        if named and (self.device == "cpu") != (self.runtime == "cpu"):
            raise ValueError(
                f"device {self.device} and runtime {self.runtime} exclude each other: leave one of"
                " them at auto"
            )
        return self


class GroundingSettings(Section):
    """How queries are evaluated."""

    threads: Count = 0
    audit_every: Count = _GROUNDING.audit_every
    merge_seconds: Seconds = _ALERTS.merge_seconds
    settle_seconds: Seconds = _ALERTS.settle_seconds
    silence_grace_seconds: Seconds = _GROUNDING.silence_grace_seconds
    tick_seconds: PositiveSeconds = _GROUNDING.tick_seconds
    overload_after_seconds: Seconds = _OVERLOAD.limit_seconds  # 0: never
    overload_pairs: PositiveCount = _OVERLOAD.pairs


class DeliverySettings(Section):
    """How webhooks are called."""

    workers: PositiveCount = 4
    connect_timeout_seconds: PositiveSeconds = 5.0
    total_timeout_seconds: PositiveSeconds = 10.0
    first_retry_seconds: PositiveSeconds = 5.0
    longest_retry_seconds: PositiveSeconds = 3600.0
    give_up_after_seconds: PositiveSeconds = 86400.0

    @model_validator(mode="after")
    def _rising(self) -> Self:
        check_rising(self, "first_retry_seconds", "longest_retry_seconds")
        check_rising(self, "connect_timeout_seconds", "total_timeout_seconds")
        return self


class NetworkSettings(Section):
    """Where cameras and webhooks may lead."""

    camera_private: bool = True
    webhook_private: bool = False
    allowed: tuple[Annotated[Network, BeforeValidator(_read_network)], ...] = ()

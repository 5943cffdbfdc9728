"""Sections become the frozen settings of the parts."""

from dataclasses import fields
from pathlib import Path

import pytest

from deploy.errors import ConfigError
from deploy.settings import Settings
from deploy.settings import parts as of
from encoder.config import EncoderConfig
from grounding.config import GroundingConfig, OverloadSettings
from grounding.delivery.options import DeliveryOptions
from grounding.query_record import QueryRecord, Sensitivity
from grounding.schedule import Hours, Schedule
from streamer.clip import ClipFormat
from streamer.config import BackOffSettings
from streamer.kafka_options import KafkaOptions
from tests.deploy.settings.conftest import Load

TOKEN = "c0ffee" * 5


def test_defaults_are_those_of_the_parts():
    assert of.encoder_config(Settings()) == EncoderConfig()
    assert of.grounding_config(Settings()) == GroundingConfig()
    assert of.delivery_options(Settings()) == DeliveryOptions()


def test_encoder_and_grounding(load: Load):
    settings = load(
        "encoder: {batch: 4, threads: 2, wait_seconds: 0}\n"
        "grounding: {threads: 1, audit_every: 0, merge_seconds: 3, settle_seconds: 1,"
        " silence_grace_seconds: 2, tick_seconds: 0.5,"
        " overload_after_seconds: 4, overload_pairs: 3}"
    )
    encoder, grounding = of.encoder_config(settings), of.grounding_config(settings)
    assert (encoder.batch, encoder.session.threads, encoder.wait_seconds) == (4, 2, 0.0)
    assert (grounding.session.threads, grounding.audit_every) == (1, 0)
    assert (grounding.alerts.merge_seconds, grounding.alerts.settle_seconds) == (3.0, 1.0)
    assert (grounding.silence_grace_seconds, grounding.tick_seconds) == (2.0, 0.5)
    assert grounding.overload == OverloadSettings(limit_seconds=4.0, pairs=3)


def test_grounding_may_be_told_to_leave_nothing_out(load: Load):
    assert of.grounding_config(load("grounding: {overload_after_seconds: 0}")).overload is None


@pytest.mark.parametrize("wrong", ["overload_pairs: 0", "overload_after_seconds: -1"])
def test_overload_that_makes_no_sense_is_refused(load: Load, wrong: str):
    with pytest.raises(ConfigError, match=wrong.split(":")[0]):
        load(f"grounding: {{{wrong}}}")


def test_a_claim_outlasts_its_attempt(load: Load):
    options = of.delivery_options(load("delivery: {total_timeout_seconds: 90, workers: 2}"))
    assert options.workers == 2
    assert options.lease_seconds > 2 * options.total_timeout_seconds


def test_cameras(load: Load, tmp_path: Path):
    settings = load("cameras: {first_retry_seconds: 1, read_timeout_seconds: 3}")
    clip_format = ClipFormat(frames=8, width=16, height=16, kernel="bilinear")
    config = of.streamer_config(settings, clip_format, str.upper, tmp_path)
    assert config.pixels == "raw"
    assert of.streamer_config(settings, clip_format, str.upper, tmp_path, True).pixels == "jpeg"
    assert config.back_off == BackOffSettings(1.0, 30.0)
    assert (config.read_timeout_seconds, config.clip_format) == (3.0, clip_format)
    assert config.unseal("sealed") == "SEALED"
    assert config.file_roots == (tmp_path,)


def test_files_are_open_to_the_folder_of_the_start_on_loopback_only(load: Load, tmp_path: Path):
    elsewhere = f"server: {{host: 0.0.0.0, token: {TOKEN}}}\n"
    assert load().file_roots(tmp_path) == (tmp_path,)
    assert load(elsewhere).file_roots(tmp_path) == ()
    assert load(elsewhere + "cameras: {file_roots: [/videos]}").file_roots(tmp_path) == (
        Path("/videos"),
    )


@pytest.mark.parametrize("on_loopback", [True, False])
def test_where_cameras_and_webhooks_may_lead(load: Load, on_loopback: bool):
    host = "127.0.0.1" if on_loopback else "0.0.0.0"
    settings = load(
        f"server: {{host: {host}, token: {TOKEN}}}\nnetwork: {{allowed: [10.1.0.0/16]}}"
    )
    cameras, webhooks = of.camera_policy(settings), of.webhook_policy(settings)
    assert (cameras.private, webhooks.private) == (True, False)
    assert cameras.loopback is webhooks.loopback is on_loopback
    assert cameras.allowed == webhooks.allowed == ("10.1.0.0/16",)


def test_who_may_ask(load: Load):
    tokens = f"[{{name: prom, scopes: [metrics], token: {TOKEN}x}}]"
    options = of.access_options(load(f"server: {{token: {TOKEN}, tokens: {tokens}}}"))
    assert [(token.name, sorted(token.scopes)) for token in options.tokens] == [
        ("default", ["metrics", "read", "write"]),
        ("prom", ["metrics"]),
    ]
    assert of.access_options(load()).tokens == ()
    assert of.http_limits(load("server: {max_body_bytes: 99}")).max_body_bytes == 99


def test_queries(load: Load):
    settings = load(
        "queries:\n  list:\n"
        "    - id: cat\n      text: a cat\n      severity: critical\n      paused: true\n"
        "      sensitivity: {threshold: 0.5}\n      labels: {a: b}\n      cooldown_seconds: 5\n"
        "      schedule: {timezone: Europe/Berlin, hours: [{begin: 22:00, end: 06:00}]}\n"
        "    - {id: dog, text: a dog}\n"
    )
    cat, dog = of.query_records(settings)
    assert dog == QueryRecord(query_id="dog", text="a dog", declared=True)
    assert cat == QueryRecord(
        query_id="cat",
        text="a cat",
        severity="critical",
        wanted="paused",
        sensitivity=Sensitivity(threshold=0.5),
        labels={"a": "b"},
        cooldown_seconds=5.0,
        schedule=Schedule(hours=(Hours(begin="22:00", end="06:00"),), timezone="Europe/Berlin"),
        declared=True,
    )


def test_what_lies_in_the_data_folder(load: Load):
    settings = load("data_folder: /var/watchword")
    assert settings.store_url == "sqlite:////var/watchword/watchword.db"
    assert settings.key_file == Path("/var/watchword/secret.key")
    elsewhere = load("secrets: {key_file: ~/w.key}\nstore: {url: postgresql://db/w}\n")
    assert elsewhere.key_file == Path.home() / "w.key"
    assert elsewhere.store_url == "postgresql://db/w"


def test_kafka_is_asked_for_as_it_is_by_default():
    options = of.kafka_options(Settings())
    assert options == KafkaOptions(bootstrap_servers=())


def test_every_option_of_kafka_can_be_set(load: Load, tmp_path: Path):
    (tmp_path / "password").write_text("hunter2\n")
    settings = load(
        f"""
kafka:
  bootstrap_servers: a.example:9092, [::1]:9093
  client_id: w
  topic_prefix: north.
  instance: gpu-0
  partitions: 48
  replication: 2
  compression: lz4
  security_protocol: SASL_SSL
  sasl_mechanism: PLAIN
  username: watchword
  password_file: {tmp_path}/password
  ca_file: /ca.pem
  certificate_file: /own.pem
  key_file: /own.key
  start_timeout_seconds: 1
  session_timeout_seconds: 2
  transaction_timeout_seconds: 3
  revoke_seconds: 4
"""
    )
    options = of.kafka_options(settings)
    assert options == KafkaOptions(
        bootstrap_servers=("a.example:9092", "[::1]:9093"),
        client_id="w",
        topic_prefix="north.",
        instance="gpu-0",
        partitions=48,
        replication=2,
        compression="lz4",
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        username="watchword",
        password="hunter2",
        ca_file=Path("/ca.pem"),
        certificate_file=Path("/own.pem"),
        key_file=Path("/own.key"),
        start_timeout_seconds=1.0,
        session_timeout_seconds=2.0,
        transaction_timeout_seconds=3.0,
        revoke_seconds=4.0,
    )
    default = KafkaOptions(bootstrap_servers=())
    same = [f.name for f in fields(options) if getattr(options, f.name) == getattr(default, f.name)]
    assert not same  # nothing was left out above


def test_clips_grow_stale_only_on_kafka(load: Load):
    settings = load("encoder: {stale_seconds: 20}")
    assert of.encoder_config(settings).stale_seconds == 0.0
    assert of.encoder_config(settings, clips_travel=True).stale_seconds == 20.0


@pytest.mark.parametrize(
    ("device", "runtime", "card"),
    [("auto", "auto", 0), ("cpu", "cpu", 0), ("cuda:2", "tensorrt", 2), ("auto", "tensorrt-ep", 0)],
)
def test_where_models_run(load: Load, device: str, runtime: str, card: int):
    settings = load(f"encoder: {{device: '{device}', runtime: {runtime}, threads: 3}}")
    options = of.session_options(settings)
    assert (options.device, options.runtime, options.card) == (device, runtime, card)
    assert of.encoder_config(settings).session == options


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("device: gpu", "cuda:1"),
        ("device: 'cuda:'", "cuda:1"),
        ("runtime: fast", "tensorrt"),
        ("device: cpu, runtime: cuda", "exclude each other"),
        ("device: 'cuda:1', runtime: cpu", "exclude each other"),
    ],
)
def test_devices_and_runtimes_that_are_none(load: Load, wrong: str, told: str):
    with pytest.raises(ConfigError, match=told):
        load(f"encoder: {{{wrong}}}")

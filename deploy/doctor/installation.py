"""What an installation with all its packages can do here, as it is configured."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.doctor import broker, card, database, model, place
from deploy.doctor.check import Check, fail, ok
from deploy.errors import ConfigError
from deploy.settings import DEFAULT_FILE, Settings, load_settings
from deploy.settings.parts import kafka_options, session_options


def check_installation(config: Path | None, environ: Mapping[str, str]) -> Iterator[Check]:
    """The configuration, and what it names; with a wrong one, what the defaults name."""
    settings = Settings()
    try:
        settings = load_settings(config, environ)
        yield ok("configuration", str(config or "the defaults"))
    except ConfigError as error:
        for sentence in str(error).splitlines():
            yield fail("configuration", sentence, f"every key stands in {DEFAULT_FILE}")
    devices = card.find_devices()
    yield from card.check_devices(devices)
    yield from model.check_bundle(settings.bundle, devices, session_options(settings))
    yield from _place(settings)
    kafka = kafka_options(settings)
    yield database.check_store(settings.store_url, with_kafka=bool(kafka.bootstrap_servers))
    yield from broker.check_broker(kafka)


def _place(settings: Settings) -> Iterator[Check]:
    yield place.check_folder(settings.data_folder.absolute())
    yield place.check_disk(settings.data_folder)
    yield place.check_key(settings.key_file.absolute())
    yield place.check_port(settings.server.host, settings.server.port)
    yield place.check_file_limit()
    yield place.check_clock()
    yield place.check_time_zones()

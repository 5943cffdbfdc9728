"""Profile `kafka` of docker-compose.yml, as far as it can be tried without Docker."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from deploy.parts import PARTS, choose_parts
from deploy.settings import Settings, load_settings
from deploy.settings.parts import kafka_options
from streamer.kafka_options import KafkaOptions
from tests.conftest import ROOT
from tests.deploy.test_compose import instructions, make_secrets, parsed

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROFILE = {name: one for name, one in SERVICES.items() if one.get("profiles") == ["kafka"]}
OURS = {name: one for name, one in PROFILE.items() if one["image"] == "watchword:local"}
KAFKA: dict[str, str] = SERVICES["kafka"]["environment"]
SCRAPED: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "deploy/prometheus/prometheus.yml").read_text()
)["scrape_configs"]
ours = pytest.mark.parametrize("service", OURS)


def settings_of(service: str, tmp_path: Path) -> Settings:
    """What the service would read, with the secrets it is given and no others."""
    make_secrets(tmp_path / "all")
    given = tmp_path / "given"
    given.mkdir()
    for name in OURS[service]["secrets"]:
        (given / name).write_text((tmp_path / "all" / name).read_text())
    (mounted,) = [one.split(":")[0] for one in OURS[service]["volumes"] if "/etc/watchword" in one]
    file = tmp_path / "watchword.yml"
    file.write_text((ROOT / mounted).read_text().replace("/run/secrets", str(given)))
    return load_settings(file, {"WATCHWORD__DATA_FOLDER": "/data"})


def test_without_the_profile_nothing_is_new() -> None:
    plain = {name for name, one in SERVICES.items() if "profiles" not in one}
    assert plain == {"watchword", "prometheus", "grafana"}
    assert set(PROFILE) == {"kafka", "postgres", "api", "grounding", "streamer-encoder"}


def test_every_part_runs_once() -> None:
    run = []
    for service in OURS.values():
        assert parsed(service["command"]) == "serve"
        only = service["command"][service["command"].index("--only") + 1]
        run += choose_parts(only, "kafka:9092")
    assert sorted(run) == sorted(PARTS)


@ours
def test_each_reads_settings_with_the_secrets_it_has(service: str, tmp_path: Path) -> None:
    settings = settings_of(service, tmp_path)
    scopes = {one.name: set(one.scopes) for one in settings.server.tokens}
    assert scopes["prometheus"] == {"metrics"}
    assert ("operator" in scopes) == (service == "api")
    grace = OURS[service]["stop_grace_period"]
    assert settings.server.drain_seconds < int(grace.removesuffix("s"))
    mounted = {one.split(":")[1] for one in OURS[service]["volumes"]}
    if service != "grounding":
        assert {str(folder) for folder in settings.cameras.file_roots or ()} <= mounted


@ours
def test_each_finds_the_broker(service: str, tmp_path: Path) -> None:
    options = kafka_options(settings_of(service, tmp_path))
    assert isinstance(options, KafkaOptions)
    assert options.bootstrap_servers == (KAFKA["KAFKA_ADVERTISED_LISTENERS"].split("//")[1],)
    assert options.security_protocol == "PLAINTEXT"
    assert SERVICES[service]["depends_on"]["kafka"] == {"condition": "service_healthy"}


def test_only_the_api_has_the_store(tmp_path: Path) -> None:
    for service in OURS:
        (folder := tmp_path / service).mkdir()
        url = make_url(settings_of(service, folder).store_url)
        if service != "api":
            assert url.get_backend_name() == "sqlite"
            continue
        postgres = SERVICES["postgres"]["environment"]
        assert url.drivername == "postgresql+psycopg"
        assert (url.host, url.username) == ("postgres", postgres["POSTGRES_USER"])
        assert url.database == postgres["POSTGRES_DB"]
        assert SERVICES["api"]["depends_on"]["postgres"] == {"condition": "service_healthy"}
        assert Path(postgres["POSTGRES_PASSWORD_FILE"]).name in SERVICES["postgres"]["secrets"]


def test_who_seals_passwords_and_who_reads_cameras_share_the_key() -> None:
    keys = {name for name, one in OURS.items() if "keys:/data" in one["volumes"]}
    assert keys == {"api", "streamer-encoder"}
    assert instructions("VOLUME") == ["/data"]


@ours
def test_each_is_healthy_once_it_is_ready(service: str, tmp_path: Path) -> None:
    kind, python, *words = OURS[service]["healthcheck"]["test"]
    assert (kind, python, words[0]) == ("CMD", "python", "-c")
    compile(words[1], "healthcheck", "exec")
    port = settings_of(service, tmp_path).server.port
    assert f"http://127.0.0.1:{port}/healthz/ready" in words[1]
    (image,) = instructions("HEALTHCHECK")
    assert "ProxyHandler({})" in words[1]
    assert "ProxyHandler({})" in json.loads(image.partition("CMD ")[2])[2]


def test_the_broker_is_the_one_of_the_tests() -> None:
    pom = ElementTree.parse(ROOT / "tests/kafka/pom.xml")
    found = pom.findall(".//{*}dependency[{*}artifactId='kafka_2.13']/{*}version")
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{found[0].text}"


def test_the_broker_is_its_own_controller() -> None:
    assert KAFKA["KAFKA_PROCESS_ROLES"] == "broker,controller"
    listeners = dict(one.split("://:") for one in KAFKA["KAFKA_LISTENERS"].split(","))
    protocols = dict(
        one.split(":") for one in KAFKA["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    assert set(listeners) == set(protocols)
    node, voter = KAFKA["KAFKA_CONTROLLER_QUORUM_VOTERS"].split("@")
    assert node == KAFKA["KAFKA_NODE_ID"]
    assert voter == f"kafka:{listeners[KAFKA['KAFKA_CONTROLLER_LISTENER_NAMES']]}"
    between = KAFKA["KAFKA_INTER_BROKER_LISTENER_NAME"]
    assert KAFKA["KAFKA_ADVERTISED_LISTENERS"] == f"{between}://kafka:{listeners[between]}"


def test_one_broker_is_enough_for_transactions() -> None:
    wanted = {name for name in KAFKA if name.endswith(("_REPLICATION_FACTOR", "_MIN_ISR"))}
    assert len(wanted) == 3
    assert {KAFKA[name] for name in wanted} == {"1"}
    assert all(isinstance(value, str) for value in KAFKA.values())


def test_what_is_kept_lies_on_volumes() -> None:
    assert f"kafka:{KAFKA['KAFKA_LOG_DIRS']}" in SERVICES["kafka"]["volumes"]
    assert "postgres:/var/lib/postgresql/data" in SERVICES["postgres"]["volumes"]


def test_nothing_but_the_api_is_published() -> None:
    assert {name for name, one in PROFILE.items() if "ports" in one} == {"api"}
    assert SERVICES["api"]["ports"] == SERVICES["watchword"]["ports"]  # never both at a time
    shown = re.search(r"--profile kafka up .*$", (ROOT / "docker-compose.yml").read_text(), re.M)
    assert shown is not None
    assert "--scale watchword=0" in shown[0]


def test_prometheus_scrapes_every_part(tmp_path: Path) -> None:
    jobs = {one["job_name"]: one for one in SCRAPED}
    (target,) = jobs["watchword"]["static_configs"][0]["targets"]
    aliases = SERVICES["api"]["networks"]["default"]["aliases"]
    assert target.partition(":")[0] in aliases
    (found,) = jobs["watchword-parts"]["dns_sd_configs"]
    assert set(found["names"]) == set(OURS) - {"api"}
    assert found["port"] == settings_of("grounding", tmp_path).server.port
    (relabel,) = jobs["watchword-parts"]["relabel_configs"]
    assert relabel == {"target_label": "job", "replacement": "watchword"}

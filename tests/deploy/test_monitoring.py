"""What Prometheus and Grafana are given: every name in it is one that Watchword tells."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.sources import ROOMS

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PROMETHEUS = ROOT / "deploy/prometheus"
GRAFANA = ROOT / "deploy/grafana"
CONFIG: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards/overview.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
COLUMNS = 24

DEFINED = re.compile(r'(Counter|Gauge|Histogram)(?:MetricFamily)?\(\s*"(watchword_[a-z_]+)"')
NAMED = re.compile(r"\b(watchword(?::[a-z0-9_]+)+|watchword_[a-z_]+)\b")
SUFFIXES = {"Counter": ("",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum")}


def told_names() -> set[str]:
    """Every series of Watchword's own metrics."""
    found = [
        match
        for room in ROOMS
        for path in (ROOT / room).rglob("metrics.py")
        for match in DEFINED.findall(path.read_text(encoding="utf-8"))
    ]
    return {name + suffix for kind, name in found for suffix in SUFFIXES[kind]}


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])
    yield from (one["definition"] for one in DASHBOARD["templating"]["list"])


def test_every_metric_in_rules_and_dashboard_is_told_by_somebody() -> None:
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    named = {name for expression in expressions() for name in NAMED.findall(expression)}
    assert len(named) > 20
    assert named <= told_names() | recorded


def test_the_dashboard_shows_what_the_design_asks_for() -> None:
    shown = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    for name in (
        "stream_up",
        "clips_total",
        "encode_batch_size",
        "encode_duration_seconds",
        "query_evaluations_total",
        "alerts_total",
        "alert_latency_seconds",
        "delivery_attempts_total",
        "dead_letters_total",
        "query_coverage_ratio",
    ):
        assert f"watchword_{name}" in shown


# Prometheus


def promtool(*words: object) -> None:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a" * 64)
    (tmp_path / "rules.yml").write_text((PROMETHEUS / "rules.yml").read_text())
    for job in CONFIG["scrape_configs"]:
        if "authorization" in job:
            job = job["authorization"]
            secret = Path(job["credentials_file"]).name
            assert secret in COMPOSE["services"]["prometheus"]["secrets"]
    text = (PROMETHEUS / "prometheus.yml").read_text()
    changed = re.sub(r"/run/secrets/\S+", str(token), text)
    assert changed != text
    (tmp_path / "prometheus.yml").write_text(changed)
    promtool("check", "config", tmp_path / "prometheus.yml")


@pytest.mark.needs("promtool")
def test_prometheus_takes_its_rules() -> None:
    promtool("check", "rules", PROMETHEUS / "rules.yml")


@pytest.mark.needs("promtool")
def test_rules_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", ROOT / "tests/deploy/prometheus/rules_test.yml")


def test_every_alert_is_tried_by_the_rules_test() -> None:
    tried = (ROOT / "tests/deploy/prometheus/rules_test.yml").read_text()
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    assert set(re.findall(r"alertname: (\w+)", tried)) == alerts


def test_prometheus_scrapes_the_service_of_compose() -> None:
    (job,) = [one for one in CONFIG["scrape_configs"] if one["job_name"] == "watchword"]
    (target,) = job["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert host in COMPOSE["services"]
    assert COMPOSE["services"][host]["ports"][0].endswith(f":{port}")


# Grafana


def test_panels_have_ids_titles_and_places_of_their_own() -> None:
    for field in ("id", "title"):
        assert max(Counter(panel[field] for panel in PANELS).values()) == 1
    taken: Counter[tuple[int, int]] = Counter()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        taken.update(
            (place["x"] + across, place["y"] + down)
            for across in range(place["w"])
            for down in range(place["h"])
        )
    assert max(taken.values()) == 1


def test_every_panel_asks_the_data_source_that_is_provisioned() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
    (source,) = provisioned["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}
    asked = [panel["datasource"] for panel in PANELS]
    asked += [target["datasource"] for panel in PANELS for target in panel["targets"]]
    asked += [one["datasource"] for one in DASHBOARD["templating"]["list"]]
    assert all(one == wanted for one in asked)
    assert source["url"].removeprefix("http://").split(":")[0] in COMPOSE["services"]


def test_every_panel_says_what_it_shows() -> None:
    assert all(panel["description"] for panel in PANELS)


def test_grafana_finds_the_dashboard() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/dashboards/watchword.yml").read_text())
    (provider,) = provisioned["providers"]
    grafana = COMPOSE["services"]["grafana"]
    mounted = {volume.split(":")[1] for volume in grafana["volumes"]}
    folder = provider["options"]["path"]
    assert folder in mounted
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{folder}/overview.json"


def test_nobody_can_change_anything_in_grafana() -> None:
    environment = COMPOSE["services"]["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert DASHBOARD["editable"] is False


@pytest.mark.needs("promtool")
def test_every_query_of_the_dashboard_can_be_parsed(tmp_path: Path) -> None:
    # Grafana puts an interval and the chosen cameras in place of its variables
    rules = [
        {
            "record": f"panel:{index}",
            "expr": expression.replace("$__rate_interval", "1m").replace("$camera", ".*"),
        }
        for index, expression in enumerate(
            target["expr"] for panel in PANELS for target in panel["targets"]
        )
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)

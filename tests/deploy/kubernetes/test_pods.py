"""What deploy/kubernetes runs, held against the code: settings, ports, groups, topics, keys."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from deploy.parts import PARTS, choose_parts
from deploy.settings.known import field_type
from deploy.settings.parts import kafka_options
from encoder.worker import GROUP as ENCODER_GROUP
from grounding.membership import GROUP as GROUNDING_GROUP
from streamer.bus import CLIPS, EMBEDDINGS
from tests.conftest import ROOT
from tests.deploy.kubernetes.manifests import (
    ALL,
    BASE,
    COMPONENT,
    DEPLOYMENTS,
    SCALED,
    SECRETS,
    Object,
    container,
    pod,
    settings_of,
)
from tests.deploy.test_compose import instructions, parsed

deployments = pytest.mark.parametrize("name", sorted(DEPLOYMENTS))


def test_every_part_runs_together_or_apart() -> None:
    def parts(names: set[str]) -> list[str]:
        only = [container(name)["args"][2] for name in names]
        return sorted(part for one in only for part in choose_parts(one, "kafka:9092"))

    assert parts(BASE) == sorted(PARTS)
    assert parts({"api", "grounding", "streamer", "encoder"}) == sorted(PARTS)
    assert all(parsed(container(name)["args"]) == "serve" for name in DEPLOYMENTS)


@deployments
def test_pods_read_settings_with_the_secrets_they_have(name: str, tmp_path: Path) -> None:
    settings = settings_of(name, tmp_path)
    scopes = {one.name: set(one.scopes) for one in settings.server.tokens}
    assert scopes["prometheus"] == {"metrics"}
    assert ("operator" in scopes) == (name == "api")
    assert settings.store_url.startswith("postgresql" if name == "api" else "sqlite")
    waits = 5 if "lifecycle" in container(name) else 0
    assert settings.server.drain_seconds + waits < pod(name)["terminationGracePeriodSeconds"]
    (port,) = container(name)["ports"]
    assert port == {"name": "http", "containerPort": settings.server.port}
    assert instructions("EXPOSE") == [str(settings.server.port)]


@deployments
def test_variables_are_settings(name: str) -> None:
    for variable in container(name)["env"]:
        path = tuple(variable["name"].removeprefix("WATCHWORD__").lower().split("__"))
        assert field_type(path) is not None


@deployments
def test_probes_ask_what_is_answered(name: str) -> None:
    ours = container(name)
    assert ours["readinessProbe"]["httpGet"] == {"path": "/healthz/ready", "port": "http"}
    for probe in ("livenessProbe", "startupProbe"):
        assert ours[probe]["httpGet"] == {"path": "/healthz/live", "port": "http"}
    described = json.loads((ROOT / "deploy/openapi.json").read_text())["paths"]
    assert {"/healthz/live", "/healthz/ready"} <= set(described)


@deployments
def test_pods_are_locked_down(name: str) -> None:
    spec = pod(name)
    assert spec["automountServiceAccountToken"] is False
    security = spec["securityContext"]
    user = f"{security['runAsUser']}:{security['runAsGroup']}"
    assert security["runAsNonRoot"] is True
    assert instructions("USER") == [user]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in (*spec["containers"], *spec.get("initContainers", ())):
        assert one["image"] == "watchword"
        assert one["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in one["resources"]["limits"]
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@deployments
def test_what_is_mounted_is_a_volume_and_what_is_a_volume_is_mounted(name: str) -> None:
    spec = pod(name)
    mounted = {
        mount["name"]
        for one in (*spec["containers"], *spec.get("initContainers", ()))
        for mount in one["volumeMounts"]
    }
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert mounted == set(volumes)
    for volume in volumes.values():
        if "secret" in volume:
            assert volume["secret"]["secretName"] in SECRETS
            assert volume["secret"]["defaultMode"] & 0o007 == 0


def test_who_seals_and_who_reads_cameras_gets_the_key_for_itself_alone(tmp_path: Path) -> None:
    keyed = {name for name in DEPLOYMENTS if "initContainers" in pod(name)}
    assert keyed == {"api", "streamer", "streamer-encoder"}
    key = tmp_path / "secret.key"
    key.write_bytes(Fernet.generate_key())
    for name in keyed:
        (copying,) = pod(name)["initContainers"]
        *words, source, target = copying["command"]
        assert Path(source).name in SECRETS["watchword-key"]["stringData"]
        (folder := tmp_path / name).mkdir()
        assert Path(target) == settings_of(name, folder).key_file
        copy = folder / "secret.key"
        subprocess.run([*words, str(key), str(copy)], check=True)
        assert copy.stat().st_mode & 0o777 == 0o600


def matches(selector: Object, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", ())
    return wanted <= labels.items() and all(labels.get(e["key"]) in e["values"] for e in among)


def test_selectors_find_the_pods_they_mean() -> None:
    labels = {n: d["spec"]["template"]["metadata"]["labels"] for n, d in DEPLOYMENTS.items()}
    assert all(found[COMPONENT] == name for name, found in labels.items())

    def found(selector: Object) -> set[str]:
        return {name for name, one in labels.items() if matches(selector, one)}

    named = {(one["kind"], one["metadata"]["name"]): one["spec"] for one in ALL if "spec" in one}
    everybody = set(DEPLOYMENTS)
    for name in DEPLOYMENTS:
        assert found(named["Deployment", name]["selector"]) == {name}
        assert found(named["PodDisruptionBudget", name]["selector"]) == {name}
    services = {
        name: found({"matchLabels": spec["selector"]})
        for (kind, name), spec in named.items()
        if kind == "Service"
    }
    assert services == {"api": {"api"}, "metrics": everybody}
    policies = {
        name: found(spec["podSelector"])
        for (kind, name), spec in named.items()
        if kind == "NetworkPolicy"
    }
    assert policies == {
        "nothing-else": everybody,
        "names-and-brokers": everybody,
        "metrics": everybody,
        "api": {"api"},
        "cameras": {"streamer", "streamer-encoder"},
    }


def test_pods_go_one_at_a_time_where_a_card_is_involved() -> None:
    for name in ("encoder", "streamer-encoder"):
        strategy = DEPLOYMENTS[name]["spec"]["strategy"]
        assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


# KEDA


@pytest.mark.parametrize(
    ("name", "group", "topic"),
    [("grounding", GROUNDING_GROUP, EMBEDDINGS), ("encoder", ENCODER_GROUP, CLIPS)],
)
def test_pods_are_scaled_by_what_waits_for_them(
    name: str, group: str, topic: Any, tmp_path: Path
) -> None:
    spec = SCALED[name]["spec"]
    assert spec["scaleTargetRef"] == {"name": name}
    options = kafka_options(settings_of(name, tmp_path))
    assert 0 < spec["minReplicaCount"] <= spec["maxReplicaCount"] <= options.partitions
    (trigger,) = spec["triggers"]
    metadata = trigger["metadata"]
    assert metadata["bootstrapServers"] == ",".join(options.bootstrap_servers)
    assert metadata["consumerGroup"] == options.topic_prefix + group
    assert metadata["topic"] == options.topic_prefix + topic.name


def test_brokers_can_be_reached_through_the_network_policy(tmp_path: Path) -> None:
    (policy,) = [one for one in ALL if one["metadata"]["name"] == "names-and-brokers"]
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    for broker in kafka_options(settings_of("grounding", tmp_path)).bootstrap_servers:
        assert int(broker.rpartition(":")[2]) in ports

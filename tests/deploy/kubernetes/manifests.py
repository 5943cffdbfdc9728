"""deploy/kubernetes as objects, and who reads and checks them."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator

from deploy.settings import Settings, load_settings
from tests.conftest import ROOT

FOLDER = ROOT / "deploy/kubernetes"
KUBERNETES = "1.34"
KEDA = Draft202012Validator(
    json.loads((ROOT / "tests/deploy/kubernetes/keda_schema.json").read_text())
)
COMPONENT = "app.kubernetes.io/component"
Object = dict[str, Any]

KUSTOMIZATIONS = sorted(FOLDER.rglob("kustomization.yaml"))
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path not in KUSTOMIZATIONS)
PATCHES = [FOLDER / "components/gpu/card.yaml"]


def objects(*paths: Path) -> list[Object]:
    return [one for path in paths for one in yaml.safe_load_all(path.read_text())]


ALL = objects(*(path for path in FILES if path not in PATCHES))
SECRETS = {one["metadata"]["name"]: one for one in ALL if one["kind"] == "Secret"}
DEPLOYMENTS = {one["metadata"]["name"]: one for one in ALL if one["kind"] == "Deployment"}
SCALED = {one["metadata"]["name"]: one for one in ALL if one["kind"] == "ScaledObject"}
BASE = {"api", "grounding", "streamer-encoder"}


def pod(name: str) -> Object:
    spec: Object = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return spec


def container(name: str) -> Object:
    (only,) = pod(name)["containers"]
    return dict(only)


def validate(one: Object) -> None:
    if one["kind"] == "ScaledObject":
        KEDA.validate(one)
    else:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


def settings_of(name: str, tmp_path: Path) -> Settings:
    """What the pods would read, with the secrets that are mounted and no others."""
    for mount in container(name)["volumeMounts"]:
        if mount["mountPath"].startswith("/run/secrets"):
            secret = SECRETS[f"watchword-{mount['name']}"]
            (folder := tmp_path / mount["name"]).mkdir()
            for key in secret["stringData"]:
                text = "postgresql://w:p@db/w" if key == "url" else "a" * 64
                (folder / key).write_text(text)
    *_, option, path = container(name)["args"]
    assert option == "--config"
    text = (FOLDER / "base" / Path(path).name).read_text()
    file = tmp_path / "watchword.yml"
    file.write_text(text.replace("/run/secrets/watchword", str(tmp_path)))
    return load_settings(file, {"WATCHWORD__DATA_FOLDER": "/data"})

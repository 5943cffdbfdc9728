"""The bundle: all its files, and what its video model runs on."""

from collections.abc import Iterator

from deploy.doctor.card import Devices
from deploy.doctor.check import Check, fail, ok, warn
from deploy.doctor.engine import check_engine
from encoder.bundle import Bundle, load_bundle
from encoder.errors import EncoderError, RuntimeMissingError
from encoder.runtimes import OpenedVideo, open_video
from encoder.session import SessionOptions


def check_bundle(
    name: str, devices: Devices, options: SessionOptions | None = None
) -> Iterator[Check]:
    """Its files against the manifest, its licence, and its video model loaded once."""
    try:
        bundle = load_bundle(name)
    except EncoderError as error:
        yield fail("bundle", str(error), "watchword bundles list shows what is installed")
        return
    manifest = bundle.manifest
    files = f"all {len(manifest.files)} files as in its manifest"
    yield ok("bundle", f"{manifest.name} {manifest.version}, {files}, {manifest.license}")
    options = options or SessionOptions()
    yield from _loaded(bundle, devices, options)
    yield from check_engine(bundle, devices, options)


def _loaded(bundle: Bundle, devices: Devices, options: SessionOptions) -> Iterator[Check]:
    try:
        opened = open_video(bundle, options)
    except ImportError:
        return  # said where packages are
    except RuntimeMissingError as error:
        if options == SessionOptions():
            return  # said where packages are
        found, _, fix = str(error).rpartition(": ")
        yield fail("model", found, f"{fix}; or set encoder.runtime and encoder.device to auto")
        return
    except EncoderError as error:
        yield fail("model", str(error), "install another version of its runtime, or fetch again")
        return
    yield _running(opened, devices, options)


def _running(opened: OpenedVideo, devices: Devices, options: SessionOptions) -> Check:
    """What it runs on; where that is less than the cards could do, why."""
    runner = opened.runner
    found = f"the video model is loaded and runs on {runner.description}"
    if not devices.cards.names or options.device == "cpu" or options.runtime != "auto":
        return ok("model", found)
    reasons = "".join(f"; not {name}: {why}" for name, why in opened.passed_over.items())
    broken = [why for name, why in opened.passed_over.items() if name in opened.broken]
    if not broken and runner.runtime != "cpu":
        return ok("model", found + reasons)
    why = (*broken, opened.passed_over.get("cuda", ""))[0]
    return warn("model", found + reasons, why.rpartition(": ")[2] or "see encoder.runtime")

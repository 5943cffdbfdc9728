"""TensorRT: whether it is here, and whether the bundle has an engine for this card."""

from collections.abc import Iterator

from deploy.doctor.card import Devices
from deploy.doctor.check import Check, ok, warn
from encoder.bundle import Bundle
from encoder.errors import BundleError, RuntimeMissingError
from encoder.providers import rtx_version
from encoder.session import SessionOptions
from encoder.tensorrt.installed import INSTALL, find_machine, tensorrt_version
from encoder.tensorrt.ordering import graph_files
from encoder.tensorrt.store import find_engine


def check_engine(bundle: Bundle, devices: Devices, options: SessionOptions) -> Iterator[Check]:
    """TensorRT's version, TensorRT for RTX, and the engine of the bundle's video model."""
    try:
        yield ok("TensorRT", tensorrt_version() + _rtx())
    except RuntimeMissingError as error:
        yield _missing(error, devices)
        return
    if not devices.cards.names or options.device == "cpu":
        return
    yield _engine(bundle, options)


def _missing(error: RuntimeMissingError, devices: Devices) -> Check:
    if devices.cards.names:
        return warn("TensorRT", f"not there{_rtx()}; models run slower than they could", INSTALL)
    return ok("TensorRT", f"not there{_rtx()}, and of no use without a card")


def _rtx() -> str:
    return f"; TensorRT for RTX {version}" if (version := rtx_version()) else ""


def _engine(bundle: Bundle, options: SessionOptions) -> Check:
    try:
        machine = find_machine(options.card)
        engine = find_engine(bundle.name, graph_files(bundle), machine)
    except BundleError as error:
        return ok("engine", f"none: {error}")
    except RuntimeMissingError as error:
        found, _, fix = str(error).rpartition(": ")
        return warn("engine", found, fix)
    return ok("engine", f"for up to {engine.max_batch} clips on {machine.gpu}: {engine.folder}")

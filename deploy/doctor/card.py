"""The NVIDIA card, its driver, and whether ONNX Runtime uses it."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.doctor.check import Check, fail, ok, warn
from encoder.errors import RuntimeMissingError
from encoder.session import available_providers

CUDA = "CUDAExecutionProvider"
PATIENCE_SECONDS = 20.0  # a card that sleeps takes some of them to wake
_QUERY = ("--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader")


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards as `nvidia-smi` lists them, or why it does not (`problem`)."""

    names: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Devices:
    """What there is to run models on; `problem` says why ONNX Runtime cannot be loaded."""

    cards: Cards
    providers: tuple[str, ...] = ()
    problem: str = ""


def find_cards() -> Cards:
    """Ask the driver; no `nvidia-smi` means no card."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Cards()
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own program, nothing of a user's
            [program, *_QUERY], capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Cards(problem=f"nvidia-smi does not answer: {type(error).__name__}")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0:
        told = (lines or done.stderr.splitlines() or ["it says nothing"])[0]
        return Cards(problem=f"nvidia-smi ends with {done.returncode}: {told.strip()}")
    return Cards(tuple(_described(line) for line in lines))


def find_devices() -> Devices:
    """Ask the driver and ONNX Runtime."""
    try:
        return Devices(find_cards(), available_providers())
    except RuntimeMissingError:
        return Devices(find_cards())  # said where packages are
    except ImportError as error:
        return Devices(find_cards(), problem=f"ONNX Runtime cannot be loaded: {error}")


def check_devices(devices: Devices) -> Iterator[Check]:
    """What models can run on."""
    if devices.problem:
        yield fail(
            "providers",
            devices.problem,
            "reinstall it: pip install --force-reinstall --no-cache-dir 'watchword[cpu]'",
        )
    if devices.providers:
        names = [provider.removesuffix("ExecutionProvider") for provider in devices.providers]
        yield ok("providers", ", ".join(names))
    yield card_found(devices.cards, devices.providers)


def card_found(cards: Cards, providers: Sequence[str]) -> Check:
    """Whether the card is there and used."""
    named = "; ".join(cards.names)
    if cards.problem:
        return warn("GPU", cards.problem, "reinstall the driver, or restart after its update")
    if not cards.names and CUDA in providers:
        return warn(
            "GPU",
            "ONNX Runtime is built for a card, and there is none: models run on the CPU",
            "pip uninstall -y onnxruntime-gpu, then pip install 'watchword[cpu]'",
        )
    if not cards.names:
        return ok("GPU", "none: models run on the CPU")
    if CUDA not in providers:
        return warn(
            "GPU",
            f"{named}; this ONNX Runtime cannot use it",
            "pip uninstall -y onnxruntime, then pip install 'watchword[gpu]'",
        )
    return ok("GPU", named)


def _described(line: str) -> str:
    """`NVIDIA A10, 550.54, 23028 MiB, 22000 MiB` for people."""
    name, driver, memory, free = ([part.strip() for part in line.split(",")] + [""] * 4)[:4]
    told = f"{name}, driver {driver}, {memory}" if driver else name
    return f"{told}, {free} free" if free else told

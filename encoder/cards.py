"""Whether this machine shows an NVIDIA card at all, before anything that could use it is loaded."""

import os
from collections.abc import Mapping
from pathlib import Path


def card_is_there(devices: Path = Path("/dev"), environ: Mapping[str, str] | None = None) -> bool:
    """Whether the driver gives this process a card, under Linux or WSL, that nobody hid from it."""
    seen = (os.environ if environ is None else environ).get("CUDA_VISIBLE_DEVICES")
    if seen is not None and seen.strip() in ("", "-1"):
        return False
    return (devices / "dxg").exists() or any(devices.glob("nvidia[0-9]*"))

from pathlib import Path

import pytest

from deploy.doctor.card import Cards, Devices, card_found, check_devices, find_cards, find_devices

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
A10 = Cards(("NVIDIA A10, driver 550.54, 23028 MiB",))


@pytest.mark.parametrize(
    ("cards", "providers", "status", "word"),
    [
        (Cards(), (CPU,), "ok", "none: models run on the CPU"),
        (Cards(), (CUDA, CPU), "warn", "there is none"),
        (A10, (CPU,), "warn", "cannot use it"),
        (A10, (CUDA, CPU), "ok", "NVIDIA A10"),
        (Cards(problem="nvidia-smi ends with 9"), (CPU,), "warn", "ends with 9"),
    ],
)
def test_card_and_runtime(cards: Cards, providers: tuple[str, ...], status: str, word: str):
    check = card_found(cards, providers)
    assert check.status == status
    assert word in check.found
    assert bool(check.fix) == (status == "warn")


def test_a_runtime_that_cannot_be_loaded():
    broken, card = check_devices(Devices(Cards(), problem="ONNX Runtime cannot be loaded: libx"))
    assert (broken.status, card.status) == ("fail", "ok")


def test_this_machine():
    assert CPU in find_devices().providers


def driver(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An `nvidia-smi` that does what the script says."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_what_the_driver_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines = ("NVIDIA A10, 550.54, 23028 MiB", "NVIDIA L4, 550.54, 23034 MiB, 22563 MiB", "Odd")
    driver(tmp_path, monkeypatch, "; ".join(f"echo '{line}'" for line in lines))
    l4 = "NVIDIA L4, driver 550.54, 23034 MiB, 22563 MiB free"
    assert find_cards() == Cards((*A10.names, l4, "Odd"))


def test_a_driver_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    driver(tmp_path, monkeypatch, "echo 'NVIDIA-SMI has failed'; exit 9")
    assert find_cards().problem == "nvidia-smi ends with 9: NVIDIA-SMI has failed"
    driver(tmp_path, monkeypatch, "exit 3")
    assert find_cards().problem == "nvidia-smi ends with 3: it says nothing"


def test_a_driver_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    driver(tmp_path, monkeypatch, "")
    (tmp_path / "nvidia-smi").write_bytes(b"\x00\x01")
    assert find_cards().problem == "nvidia-smi does not answer: OSError"


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_cards() == Cards()

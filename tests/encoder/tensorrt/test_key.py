"""An engine's key follows from each of its parts; an engine of other parts is refused by name."""

import msgspec
import pytest

from encoder.tensorrt.key import BuildOptions, EngineParts, Machine, difference

H100 = Machine(
    tensorrt="11.4.0.106", gpu="NVIDIA H100", compute_capability="9.0", system="linux-x86_64"
)
FILES = {"video_tensorrt.onnx": "aa", "video_tensorrt.onnx.data": "bb"}
PARTS = EngineParts(files=FILES, machine=H100, options=BuildOptions())


def test_the_same_parts_have_the_same_key() -> None:
    again = EngineParts(
        files=dict(reversed(FILES.items())), machine=H100, options=BuildOptions(max_batch=32)
    )
    assert again.key == PARTS.key
    assert len(PARTS.key) == 64


@pytest.mark.parametrize(
    "changed",
    [
        {"files": {**FILES, "video_tensorrt.onnx.data": "cc"}},
        {"files": {"video_tensorrt.onnx": "aa"}},
        {"schema": 2},
        *(
            {"machine": msgspec.structs.replace(H100, **{name: "other"})}
            for name in ("tensorrt", "gpu", "compute_capability", "system")
        ),
        {"options": BuildOptions(max_batch=16)},
        {"options": BuildOptions(workspace_bytes=1)},
        {"options": BuildOptions(level=5)},
    ],
)
def test_each_part_changes_the_key(changed: dict[str, object]) -> None:
    assert msgspec.structs.replace(PARTS, **changed).key != PARTS.key


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("tensorrt", "10.15.1", "TensorRT 11.4.0.106 built it, this is 10.15.1"),
        ("gpu", "NVIDIA A10", r"it is for NVIDIA H100 .*, this card is NVIDIA A10"),
        ("compute_capability", "8.6", r"capability 9.0\), this card is NVIDIA H100 \(8.6\)"),
        ("system", "win32-AMD64", "it is for linux-x86_64, this is win32-AMD64"),
    ],
)
def test_what_is_different_is_said(name: str, value: str, told: str) -> None:
    import re

    here = msgspec.structs.replace(H100, **{name: value})
    assert re.search(told, difference(PARTS, FILES, here))


def test_other_weights_are_said() -> None:
    assert difference(PARTS, {**FILES, "more": "cc"}, H100) == "it was built from other weights"


def test_options_do_not_stand_in_the_way() -> None:
    other = msgspec.structs.replace(PARTS, options=BuildOptions(max_batch=1, level=0))
    assert difference(other, FILES, H100) == ""

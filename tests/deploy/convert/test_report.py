import io

import pytest
from rich.console import Console

from deploy.convert.report import ConvertReport, InputEntry, Tensors, report_json, report_tables
from encoder.manifest import FileEntry

REPORT = ConvertReport(
    bundle="/bundles/yard",
    name="yard",
    space="internvideo2-1",
    variant="stage2-1b",
    detector="SG-DETR of QVHighlights",
    inputs=(InputEntry(role="vision", file="stage2.pt", sha256="a" * 64),),
    tensors={
        "video": Tensors(loaded=("one", "two"), dropped=("three",), interpolated=("two",)),
        "text": Tensors(loaded=("four",)),
    },
    files={"video.onnx": FileEntry(sha256="b" * 64, bytes=5_700_000, precision="fp32")},
    self_test={"clips": 0.99999},
    export_errors={"video": 1e-6, "video_tensorrt": None},
    residual_peaks=(3.0, 71.25, 8.5),
    limits=("It sees little.",),
)


def shown(names: bool) -> list[list[str]]:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    for table in report_tables(REPORT, names=names):
        console.print(table)
    return [line.split() for line in stream.getvalue().splitlines()]


def test_tables_count_and_name_what_was_read() -> None:
    lines = shown(names=False)
    assert ["video", "2", "1", "1"] in lines
    assert ["vision", "stage2.pt", "a" * 64] in lines
    assert ["video.onnx", "5.7", "fp32", "b" * 64] in lines
    assert ["clips", "0.9999900"] in lines
    assert not any("three" in line for line in lines)
    assert [line[-1] for line in lines if line[:2] == ["after", "block"]] == ["71.2"]
    named = [line for line in shown(names=True) if line[:2] == ["after", "block"]]
    assert [" ".join(line) for line in named] == [
        "after block 0 of 3 3.0",
        "after block 1 of 3 71.2",
        "after block 2 of 3 8.5",
    ]
    assert ["video", "dropped", "three"] in shown(names=True)


@pytest.mark.parametrize(
    ("names", "video"),
    [
        (False, {"loaded": 2, "dropped": 1, "interpolated": 1}),
        (True, {"loaded": ["one", "two"], "dropped": ["three"], "interpolated": ["two"]}),
    ],
)
def test_json_counts_or_names_tensors(names: bool, video: object) -> None:
    fields = report_json(REPORT, names=names)
    told = {key: list(v) if names else v for key, v in fields["tensors"]["video"].items()}
    assert told == video
    assert fields["files"]["video.onnx"]["bytes"] == 5_700_000
    assert fields["export_errors"]["video_tensorrt"] is None
    assert list(fields["residual_peaks"]) == [3.0, 71.25, 8.5]

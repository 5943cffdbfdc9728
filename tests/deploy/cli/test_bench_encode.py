"""`watchword bench encode` as it is typed."""

import pytest

from tests.deploy.cli.running import Terminal

pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--model", "stage3"), "no model 'stage3'"),
        (("--only", "abacus"), "no contender 'abacus'"),
        (("--device", "tpu"), "no device 'tpu'"),
        (("--device", "cuda:99"), "PyTorch sees no card cuda:99"),
    ],
)
def test_what_cannot_be_meant_is_said(
    terminal: Terminal, words: tuple[str, ...], sentence: str
) -> None:
    ran = terminal.run("bench", "encode", "--reduced", *words)
    assert ran.code in (1, 2)
    assert sentence in ran.err


def test_rows_and_figures_as_json(terminal: Terminal) -> None:
    words = ("--reduced", "--device", "cpu", "--seconds", "0.1", "--batch", "2", "--cameras", "0")
    lines = terminal.run("bench", "encode", *words, "--only", "torch-fp32", "--json").lines
    assert lines[0]["name"] == "torch-fp32"
    assert lines[0]["clips_per_second"] > 0
    assert {"a clip's operations", "matrix product in bf16"} <= {
        line["figure"] for line in lines[1:]
    }

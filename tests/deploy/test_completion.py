"""The Tab key knows commands and options."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.test_docs import typed_commands


def completed(words: str, index: int) -> list[str]:
    program = "from deploy.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={
            **os.environ,
            "COMP_WORDS": words,
            "COMP_CWORD": str(index),
            "_WATCHWORD_COMPLETE": "complete_bash",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "index", "wanted"),
    [("watchword doc", 1, {"doctor"}), ("watchword doctor --", 2, {"--config", "--json"})],
)
def test_bash(words: str, index: int, wanted: set[str]):
    assert wanted <= set(completed(words, index))


def test_no_page_has_the_completion_installed_where_commands_are_tried():
    """Tests parse what stands in fenced blocks, and this option acts while it is parsed."""
    pages = [page for page in ROOT.rglob("*.md") if ".venv" not in page.parts]
    fenced = [line for page in pages for line in typed_commands(page)]
    assert not [line for line in fenced if "completion" in line]

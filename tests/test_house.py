"""Habits of the house that a linter does not know."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.sources import ROOMS, ROOT, module_name, python_files

FORBIDDEN = {"utils", "common", "helpers", "misc", "base", "manager", "handler"}
LEFT_OPEN = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")


def test_no_junk_drawers() -> None:
    assert not [path for path in python_files() if FORBIDDEN & set(module_name(path).split("."))]


def test_nothing_is_left_open() -> None:
    assert not [path for path in python_files() if LEFT_OPEN.search(path.read_text())]


def test_the_wheel_holds_the_four_rooms_and_no_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert tuple(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_draws_its_errors(room: str) -> None:
    source = (ROOT / room / "errors.py").read_text(encoding="utf-8")
    drawn = re.findall(r"^[│ ]*(?:├── |└── )?(\w+)", source.split('"""')[1], re.MULTILINE)
    defined = re.findall(r"^class (\w+)", source, re.MULTILINE)
    assert set(defined) <= set(drawn)


def test_the_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_first_make_target_prints_help(repository: Path) -> None:
    done = subprocess.run(["make"], cwd=repository, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "test-slow", "lint", "bench", "clean"):
        assert f"make {target} " in done.stdout

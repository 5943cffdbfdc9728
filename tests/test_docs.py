"""The documentation is under test: commands, options, links, metric names and versions are real."""

import contextlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

import deploy
from deploy.cli.app import build_app
from tests.sources import ROOMS, ROOT

PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(page for folder in (*ROOMS, "tests") for page in (ROOT / folder).rglob("*.md")),
    }
)
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
METRIC = re.compile(r'"(watchword_[a-z_]+)"')

ROOT_COMMAND = get_command(build_app())


def leaf_commands(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words
        return
    for name, child in children.items():
        yield from leaf_commands(child, (*words, name))


def find(words: tuple[str, ...]) -> object:
    command: object = ROOT_COMMAND
    for word in words:
        command = command.commands[word]  # type: ignore[attr-defined]
    return command


def typed_commands(page: Path) -> list[str]:
    """Lines in fenced blocks that call `watchword` or `make`, continuation lines joined."""
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    typed = [line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
    return [line for line in typed if re.match(r"(watchword|make)( |$)", line)]


def parse(line: str) -> None:
    """Parse a `watchword` line as the command line would, without running it."""
    words = shlex.split(line, comments=True)[1:]
    command, context = ROOT_COMMAND, None
    while True:
        context = command.make_context(command.name, list(words), parent=context)
        if not hasattr(command, "resolve_command"):
            return
        rest = [*context._protected_args, *context.args]
        _, command, words = command.resolve_command(context, rest)


LEAVES = sorted(leaf_commands(ROOT_COMMAND))


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_help_and_stands_in_a_readme(words: tuple[str, ...]) -> None:
    assert getattr(find(words), "help", None), f"{words} has no help"
    text = "".join((ROOT / page).read_text() for page in ("README.md", "deploy/README.md"))
    assert "watchword " + " ".join(words) in text


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_option_has_help(words: tuple[str, ...]) -> None:
    for parameter in find(words).params:  # type: ignore[attr-defined]
        if parameter.name != "help":
            assert getattr(parameter, "help", None), f"{words}: {parameter.name} has no help"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_pages_can_be_typed(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in typed_commands(page):
        if line.startswith("make"):
            words = [w for w in shlex.split(line, comments=True)[1:] if "=" not in w]
            assert set(words) <= targets, line
        else:
            with contextlib.suppress(typer.Exit):  # --version answers while it is parsed
                parse(line)


def test_every_option_of_watch_is_explained() -> None:
    page = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    options = [name for one in find(("watch",)).params for name in one.opts]  # type: ignore[attr-defined]
    missing = [name for name in options if name.startswith("--") and f"`{name}" not in page]
    assert set(missing) <= {"--help"}


def test_the_readme_shows_the_two_commands() -> None:
    lines = typed_commands(ROOT / "README.md")
    assert any(line.startswith("make demo") for line in lines)
    assert any(line.startswith("watchword watch") for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        target
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_readme(room: str) -> None:
    assert (ROOT / room / "README.md").is_file()


def test_every_metric_is_documented() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    undocumented = {
        name
        for room in ROOMS
        for path in (ROOT / room).rglob("metrics.py")
        for name in METRIC.findall(path.read_text(encoding="utf-8"))
        if name not in pages
    }
    assert not undocumented


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## \[([0-9][^]]*)\]", changelog, re.MULTILINE)
    assert newest is not None
    assert project["version"] == deploy.__version__ == newest[1]

"""deploy -> grounding -> encoder -> streamer: a room imports itself and rooms to its right."""

import ast

import pytest

from tests.sources import ROOMS, ROOT, Import, _walk, imports_of, python_files

FIRST_PARTY = {*ROOMS, "tests"}


def allowed(room: str) -> set[str]:
    return set(ROOMS[: ROOMS.index(room) + 1])


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_rooms_to_their_right(room: str) -> None:
    broken = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in python_files()
        if path.relative_to(ROOT).parts[0] == room
        for found in imports_of(path)
        if found.module.split(".")[0] in FIRST_PARTY - allowed(room)
    ]
    assert not broken


def test_first_party_imports_are_absolute() -> None:
    relative = [
        f"{path.relative_to(ROOT)}:{found.line}"
        for path in python_files()
        for found in imports_of(path)
        if found.module.startswith(".")
    ]
    assert not relative


def test_the_walk_sees_imports_in_functions_and_branches() -> None:
    tree = ast.parse(
        "import a\n"
        "if TYPE_CHECKING:\n"
        "    import b\n"
        "try:\n"
        "    from c import d\n"
        "except ImportError:\n"
        "    pass\n"
        "def f():\n"
        "    import e\n"
    )
    assert list(_walk(tree, at_import=True)) == [
        Import("a", 1, True),
        Import("b", 3, False),
        Import("c", 5, True),
        Import("e", 9, False),
    ]

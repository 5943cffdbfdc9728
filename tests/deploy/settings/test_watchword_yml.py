"""`deploy/watchword.yml` holds every key with its default, and says why."""

import re
from pathlib import Path

import yaml

from deploy.settings import DEFAULT_FILE, Settings, load_settings
from deploy.settings.known import known_keys, spelled

LINES = DEFAULT_FILE.read_text(encoding="utf-8").splitlines()
KEY = re.compile(r"( *)([a-z_]+):(?: |$)")


def test_it_says_the_defaults():
    assert load_settings(DEFAULT_FILE, {}) == Settings()
    written = yaml.safe_load(DEFAULT_FILE.read_text(encoding="utf-8"))
    unset = Settings(**written).model_dump(exclude_unset=True)
    assert unset == Settings().model_dump()  # each of them is written


def test_it_holds_every_key_and_no_other():
    written = yaml.safe_load(DEFAULT_FILE.read_text(encoding="utf-8"))
    keys = set(written) | {
        f"{section}.{name}"
        for section, inside in written.items()
        if isinstance(inside, dict)
        for name in inside
    }
    assert keys == {spelled(key) for key in known_keys() if len(key) <= 2}


def test_every_key_has_a_comment():
    bare = []
    for number, line in enumerate(LINES):
        is_key = KEY.match(line)
        is_section = line.endswith(":")
        if is_key and not is_section and not LINES[number - 1].strip().startswith("#"):
            bare.append(line)
    assert not bare


def uncommented(tmp_path: Path) -> Path:
    """The file with its examples of entries in the place of the empty lists."""
    lines = [
        line.replace(" []", "") if line in ("  list: []", "  tokens: []") else line
        for line in LINES
    ]
    shown = [re.sub(r"^(  )# (- |  )", r"\1\2", line) for line in lines]
    path = tmp_path / "examples.yml"
    text = "\n".join(shown).replace("/run/secrets/prometheus-token", str(tmp_path / "token"))
    path.write_text(text, encoding="utf-8")
    (tmp_path / "token").write_text("c0ffee" * 5)
    return path


def test_its_examples_can_be_meant(tmp_path: Path):
    settings = load_settings(uncommented(tmp_path), {})
    assert [token.name for token in settings.server.tokens] == ["prometheus"]
    assert [camera.id for camera in settings.cameras.list] == ["yard"]
    assert [query.id for query in settings.queries.list] == ["pavement"]


def test_its_examples_show_every_key_of_an_entry(tmp_path: Path):
    text = uncommented(tmp_path).read_text(encoding="utf-8")
    nested = {str(key[-1]) for key in known_keys() if len(key) > 2}
    assert not [name for name in nested if not re.search(rf"\b{name}\b", text)]


def test_it_is_of_a_readable_width():
    assert max(map(len, LINES)) <= 100

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import ConfigError
from deploy.settings import Settings, load_settings

Load = Callable[..., Settings]
Refused = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Settings of a text and of variables, those without WATCHWORD__ in front."""

    def load(text: str = "", **variables: str) -> Settings:
        path = tmp_path / "serve.yml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, {f"WATCHWORD__{key}": value for key, value in variables.items()})

    return load


@pytest.fixture
def refused(load: Load, tmp_path: Path) -> Refused:
    """What load says to a text that is wrong, without the folder of the file."""

    def refused(text: str = "", **variables: str) -> str:
        with pytest.raises(ConfigError) as error:
            load(text, **variables)
        return str(error.value).replace(f"{tmp_path}/", "")

    return refused

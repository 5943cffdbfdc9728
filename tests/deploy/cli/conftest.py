from collections.abc import Iterator

import pytest

from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script, serving


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as script:
        yield script


@pytest.fixture
def terminal(
    script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("WATCHWORD_SERVER", "WATCHWORD_TOKEN", "WATCHWORD_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal(capsys, script.url)

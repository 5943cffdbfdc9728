from collections.abc import Iterator

import pytest

from tests.deploy.client.api_server import Script, serving


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as script:
        yield script

"""Outside systems a test needs: without one it is skipped, or fails where CI promises it."""

import os
from typing import NoReturn

import pytest


def skip_or_fail(name: str, reason: str) -> NoReturn:
    """Skips the test, unless WATCHWORD_REQUIRE (comma-separated) names the system."""
    required = {part.strip() for part in os.environ.get("WATCHWORD_REQUIRE", "").split(",")}
    if name in required:
        pytest.fail(f"{name} is required here (WATCHWORD_REQUIRE): {reason}")
    pytest.skip(f"needs {name}: {reason}")

"""Properties are not timed: a loaded machine would make them fail by chance."""

import os

import pytest
from hypothesis import settings

from streamer.clip import ClipFormat
from streamer.clip_ring import ClipRing
from streamer.pulse import Pulse

settings.register_profile("untimed", deadline=None, print_blob=True)
settings.load_profile("untimed")


@pytest.fixture
def pulse() -> Pulse:
    """Of a camera that nobody has taken up yet."""
    form = ClipFormat(frames=1, width=1, height=1)
    file = ClipRing.allocate(form, 1)
    pulse = Pulse(ClipRing(file, form, 1))
    os.close(file)
    return pulse

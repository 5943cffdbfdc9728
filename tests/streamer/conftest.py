"""Properties are not timed: a loaded machine would make them fail by chance."""

from hypothesis import settings

settings.register_profile("untimed", derandomize=True, deadline=None)
settings.load_profile("untimed")

"""Properties are not timed: a loaded machine would make them fail by chance."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None, print_blob=True)
settings.load_profile("untimed")

"""Properties are about results: how long an example takes on a busy machine is none of them."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "grounding",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("grounding")

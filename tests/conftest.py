"""Settings that every test shares."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Deadlines measure the machine and not the code; draws are the same in every run, so that
# what fails here fails everywhere. The soak runs draw anew.
settings.register_profile(
    "quarterdeck",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("quarterdeck")

"""Hypothesis profiles: ``quick`` for every change, ``thorough`` for the published tables."""

import os

from hypothesis import HealthCheck, settings

_COMMON = {
    "deadline": None,  # a machine's speed is no property of the code
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "print_blob": True,
}
settings.register_profile("quick", max_examples=20, derandomize=True, database=None, **_COMMON)
settings.register_profile("thorough", max_examples=1000, database=None, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

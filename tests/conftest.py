"""What all tests share: how Hypothesis runs on a machine that is busy with other things."""

from hypothesis import HealthCheck, settings

settings.register_profile("quantpick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quantpick")

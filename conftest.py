"""Settings for all tests: what is generated is judged by what comes out, never by how long a busy machine took."""

from hypothesis import HealthCheck, settings

settings.register_profile("roost", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("roost")

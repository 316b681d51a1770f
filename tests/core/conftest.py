"""Settings of the property tests."""

from hypothesis import settings

# How long an example takes depends on the machine and is not what these tests are about.
settings.register_profile("core", deadline=None)
settings.load_profile("core")

"""Settings that tests of every kind share."""

from hypothesis import settings

# A busy machine is no failure: pytest's own timeout bounds a test.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

"""Settings that tests of every kind share."""

import os
import signal
import time

import pytest
from hypothesis import settings

# A busy machine is no failure: pytest's own timeout bounds a test.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Whoever starts tests in the background of a script has them ignore Ctrl-C, and so would every process that they start.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin no test after the moment PICLUSTER_UNTIL, in seconds since 1970: a slow machine runs fewer, and says so."""
    if time.time() > float(os.environ.get("PICLUSTER_UNTIL", "inf")):
        pytest.skip("not begun: the time given by PICLUSTER_UNTIL was over")

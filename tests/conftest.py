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

FIRST = ("test_provision.py", "test_bad_input.py", "test_docs.py")
"""Long files to begin with. Only one has virtual Pis: it makes the base for which all others would wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin no test after the moment PICLUSTER_UNTIL, in seconds since 1970: a slow machine runs fewer, and says so."""
    if time.time() > float(os.environ.get("PICLUSTER_UNTIL", "inf")):
        pytest.skip("not begun: the time given by PICLUSTER_UNTIL was over")

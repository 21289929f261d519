"""The command line: parse, call one function, print."""

import signal
import sys
from pathlib import Path

# While the modules are imported there is nothing to clean up: Ctrl-C ends the process, rather than show where it was.
# `main` then takes it over. Only where this is the program: importing a module must not change others' signals.
if Path(sys.argv[0]).name in ("picluster", "-m") and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

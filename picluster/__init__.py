"""picluster: a shelf of Raspberry Pis as one machine that trains graph neural networks.

`picluster.launch` trains, `picluster.plan` plans, `picluster.report` and `picluster.runs` read: docs/python.md.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "launch", "plan", "report", "runs"]


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for: a worker needs none of them, `picluster --help` none of theirs."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("picluster.controller.running.run"), name)

"""Tells whether a run trains on this machine: exit code 1 and the runs' names while a worker holds its claim, else 0.

Ansible's role base installs it, with `claims.py`, for apt's timers.
"""

from __future__ import annotations

import sys

from picluster.agent.claims import claims


def main() -> int:
    """The exit code."""
    runs = sorted({str(claim.get("run", "?")) for claim in claims()})
    sys.stdout.writelines(f"{run}\n" for run in runs)
    return 1 if runs else 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes constraints.txt from poetry.lock, because pip does not read the lock; `--check` only compares the two."""

import re
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Made from poetry.lock by scripts/constraints.py; `make check` compares the two.\n"
# What only torch's CUDA build asks for. It is never installed, so it needs no version.
CUDA = ("cuda-", "nvidia-", "triton")
EXTRA = re.compile(r'extra == "[^"]*" and | and extra == "[^"]*"')


def main() -> int:
    """Write the file, or with `--check` say whether it is what the lock makes of it."""
    target = ROOT / "constraints.txt"
    wanted = constraints(tomllib.loads((ROOT / "poetry.lock").read_text()))
    if "--check" not in sys.argv[1:]:
        target.write_text(wanted)
    elif not target.exists() or target.read_text() != wanted:
        print("constraints.txt is not what poetry.lock says\n  fix: python scripts/constraints.py", file=sys.stderr)
        return 1
    return 0


def constraints(lock: dict[str, Any]) -> str:
    """One line for each locked package, with a marker where the lock holds more than one version of it."""
    packages = [package for package in lock["package"] if not package["name"].startswith(CUDA)]
    versions = Counter(package["name"] for package in packages)
    return HEADER + "".join(line(package, marked=versions[package["name"]] > 1) for package in packages)


def line(package: dict[str, Any], *, marked: bool) -> str:
    """`name==version`, and the marker without its extra: pip takes no constraint that names one."""
    pin = f"{package['name']}=={package['version']}"
    if not marked:
        return f"{pin}\n"
    markers = package["markers"]
    by_group = {markers} if isinstance(markers, str) else set(markers.values())
    return f"{pin} ; {' or '.join(sorted(EXTRA.sub('', marker) for marker in by_group))}\n"


if __name__ == "__main__":
    sys.exit(main())

"""Builds picluster with poetry-core (PEP 517). A wheel also holds what lies beside the package: in `picluster/bundled`.

poetry-core can neither rename a folder of data nor copy what a symbolic link leads to, so it works on a copy. An
editable installation runs from the clone and needs none.
"""

import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from poetry.core.masonry import api
from poetry.core.masonry.api import (
    build_editable,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]
PACKAGE = Path("picluster")
BUNDLED = PACKAGE / "bundled"
INSTALLED_FROM = ("pyproject.toml", "poetry.lock", "README.md", "LICENSE")
"""Files that a node's installation needs beside the package."""
BESIDE = ("ansible", "comparisons", "docs", "inventory", "models")
LEFT_OUT = ("__pycache__", ".ansible", "pictures", "LOG.md")
PERSONAL = ("hosts.yml", "host_vars", "group_vars")
"""Files of the inventory that are the person's own, and that git does not know either."""


def build_wheel(*arguments: Any) -> str:
    """Build a wheel into the folder that is the first argument; returns its name."""
    with _bundled():
        return str(api.build_wheel(*arguments))


def build_sdist(*arguments: Any) -> str:
    """Build a source archive, which holds the files where a wheel has them; returns its name."""
    with _bundled():
        return str(api.build_sdist(*arguments))


@contextmanager
def _bundled() -> Iterator[None]:
    """A working folder in which everything lies in the package. That of a source archive is one already."""
    if BUNDLED.is_dir():
        yield
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(PACKAGE, folder / PACKAGE)
        for each in BESIDE:
            personal = PERSONAL if each == "inventory" else ()
            shutil.copytree(each, folder / BUNDLED / each, ignore=shutil.ignore_patterns(*LEFT_OUT, *personal))
        for file in INSTALLED_FROM:
            shutil.copy(file, folder)
            shutil.copy(file, folder / BUNDLED)
        shutil.copytree("scripts", folder / "scripts")
        with chdir(folder):
            yield
